// Opens a report's page in Chromium as people do, and says what came of it: JSON in (`page`, or `url` of one that is served; `csv`, `modules`, `chromium`, `search`; `quick` opens it and no more; `pictures` names a directory for them), JSON out.
// Nothing of ours decides here whether it is well: the test beside it does.
"use strict";
const fs = require("fs");
const path = require("path");
const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const { chromium } = require(path.join(asked.modules, "playwright-core"));
const axe = fs.readFileSync(path.join(asked.modules, "axe-core/axe.min.js"), "utf8");
const url = asked.url || `file://${asked.page}`;

(async () => {
  const browser = await chromium.launch({ executablePath: asked.chromium, args: ["--no-sandbox"] });
  const told = { browser: browser.version(), requests: [], errors: [], violations: {} };
  // A page of its own, whose requests and complaints are all noted.
  const open = async (options, address = url) => {
    const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, ...options });
    const page = await context.newPage();
    page.on("request", (request) => told.requests.push(request.url()));
    page.on("console", (message) => message.type() === "error" && told.errors.push(message.text()));
    page.on("pageerror", (error) => told.errors.push(String(error)));
    await page.goto(address);
    if (options.javaScriptEnabled !== false) await page.waitForSelector("html[data-drawn]");
    return page;
  };
  const rows = (page) => page.locator("#body > tr").count();
  const picture = async (page, name) => {
    if (asked.pictures) await page.screenshot({ path: path.join(asked.pictures, `${name}.png`), fullPage: true });
  };
  const accessible = async (page, name) => {
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    told.axe = found.testEngine.version;
    told.violations[name] = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  };

  const page = await open({});
  told.title = await page.title();
  told.drawn = Number(await page.getAttribute("html", "data-drawn"));
  told.rows = await rows(page);
  told.status = await page.textContent("#status");
  told.verdict = await page.textContent(".verdict");
  const leaving = () => told.requests.filter((request) => !request.startsWith(url) && !request.startsWith("blob:"));
  if (asked.quick) {
    told.requests = leaving();
    await browser.close();
    return console.log(JSON.stringify(told));
  }
  await picture(page, "wide");
  await accessible(page, "wide");
  // Filters, and the address that keeps them.
  told.chips = {};
  for (const chip of await page.locator(".chip").all()) {
    const outcome = await chip.getAttribute("data-outcome");
    await chip.click();
    told.chips[outcome] = { count: await chip.locator(".count").textContent(), status: await page.textContent("#status") };
    await chip.click();
  }
  const [first] = Object.keys(told.chips).slice(-1);
  await page.locator(`.chip[data-outcome=${first}]`).focus();
  await page.keyboard.press("Space");
  told.filtered = { outcome: first, rows: await rows(page), address: new URL(page.url()).hash };
  const recalled = await open({}, page.url());
  told.recalled = { rows: await rows(recalled), pressed: await recalled.getAttribute(`.chip[data-outcome=${first}]`, "aria-pressed") };
  await page.click("#clear");
  // Search, sort, a row's other columns.
  await page.fill("#search", asked.search);
  await page.waitForFunction((search) => location.hash.includes("search="), asked.search);
  told.searched = { rows: await rows(page), text: await page.textContent("#body") };
  await page.click("#clear");
  await page.click("[data-sort=action_id]");
  const ids = async () => (await page.locator("#body > tr > th").allTextContents()).slice(0, 5);
  told.upwards = await ids();
  await page.click("[data-sort=action_id]");
  told.downwards = await ids();
  told.sorted = await page.locator("th:has([data-sort=action_id])").getAttribute("aria-sort");
  await page.locator("#body .open").first().click();
  told.unfolded = await page.locator("#body dl").first().textContent();
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  told.name = download.suggestedFilename();
  told.same = fs.readFileSync(await download.path()).equals(fs.readFileSync(asked.csv));
  await page.keyboard.press("Tab");

  const fresh = await open({});
  await fresh.keyboard.press("Tab");
  told.skip = await fresh.evaluate(() => document.activeElement.className);
  // On paper: the rows with trouble in place of those that are filtered.
  await fresh.emulateMedia({ media: "print" });
  const visible = (page, what) => page.locator(what).isVisible();
  told.paper = { trouble: await visible(fresh, "#trouble"), all: await visible(fresh, "#all"), tools: await visible(fresh, "#tools") };
  const pdf = await fresh.pdf({ format: "A4", margin: { top: "12mm", bottom: "12mm", left: "12mm", right: "12mm" } });
  told.pdf = pdf.length;
  if (asked.pictures) {
    fs.writeFileSync(path.join(asked.pictures, "paper.pdf"), pdf);
    await fresh.setViewportSize({ width: 794, height: 1123 });
    await picture(fresh, "paper");
  }

  const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true });
  told.phone = {
    width: await phone.evaluate(() => document.documentElement.scrollWidth),
    outcome: await phone.locator("#body .outcome").first().boundingBox(),
    message: await phone.locator("#body .message").first().boundingBox(),
  };
  await picture(phone, "narrow");
  await accessible(phone, "narrow");
  const dark = await open({ colorScheme: "dark" });
  await accessible(dark, "dark");
  await picture(dark, "dark");
  const still = await open({ javaScriptEnabled: false });
  told.still = { trouble: await visible(still, "#trouble"), tools: await visible(still, "#tools") };
  told.requests = leaving();
  await browser.close();
  console.log(JSON.stringify(told));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
