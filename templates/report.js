"use strict";
// The rows of the page: unpacks the CSV report that it carries, and shows, filters, searches and sorts it. Everything from outside becomes text
// nodes, never markup. Where this cannot run, the rows with trouble stand in the page as they do on paper.
(async () => {
  const byId = (id) => document.getElementById(id);
  const STEP = 200;
  const CLASSES = { succeeded: "well", "already-done": "well", "pending-approval": "waits", pending: "waits", rejected: "bad", failed: "bad", "in-doubt": "doubt" };
  // What needs a person comes first.
  const RANKS = ["in-doubt", "rejected", "failed", "pending-approval", "pending", "skipped"];

  for (const time of document.querySelectorAll("time")) {
    const local = new Date(time.dateTime);
    if (!isNaN(local)) time.textContent += ` (here: ${local.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" })})`;
  }

  if (typeof DecompressionStream === "undefined") return;
  const packed = Uint8Array.from(atob(byId("packed").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const unpacked = (await new Response(stream).text()).split("\n");

  // The CSV report column by column, in blocks, its instants as differences of milliseconds: `html/packed.rs` has the form.
  const columns = Number(unpacked[0]);
  const head = unpacked.slice(1, columns + 1);
  const started = head.indexOf("started_at"), finished = head.indexOf("finished_at");
  const instant = (millis) => new Date(millis).toISOString();
  // A row is put together when it is first needed: most never are.
  const rows = [];
  const outcomes = head.indexOf("outcome");
  for (let at = columns + 1; at < unpacked.length - 1; ) {
    const count = Number(unpacked[at++]);
    for (let row = 0; row < count; row++) {
      const outcome = unpacked[at + outcomes * count + row];
      const rank = RANKS.indexOf(outcome);
      rows.push({ at, count, row, outcome, index: rows.length, rank: rank < 0 ? RANKS.length : rank, cells: null });
    }
    at += count * columns;
  }
  const cells = (found) => {
    if (found.cells) return found.cells;
    const { at, count, row } = found;
    const made = new Array(columns);
    for (let column = 0; column < columns; column++) made[column] = unpacked[at + column * count + row];
    let began = 0;
    if (made[started]) {
      for (let before = 0; before <= row; before++) began += Number(unpacked[at + started * count + before]);
      made[started] = instant(began);
    }
    if (made[finished]) made[finished] = instant(began + Number(made[finished]));
    return (found.cells = made);
  };
  // A cell without the quotes of RFC 4180.
  const bare = (cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
  // A spreadsheet needs this quote; a reader does not.
  const shown = (cell) => (/^'[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell);

  const header = head.map(bare);
  const column = Object.fromEntries(header.map((name, index) => [name, index]));
  const worst = [...rows].sort((a, b) => a.rank - b.rank || a.index - b.index);

  const chips = [...document.querySelectorAll(".chip")];
  const headings = [...document.querySelectorAll("[data-sort]")];
  const chosen = new Set();
  let words = "", sort = "", downwards = false, found = worst, drawn = 0;

  const cell = (row, name) => shown(bare(cells(row)[column[name]] ?? ""));
  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const draw = () => {
    const part = document.createDocumentFragment();
    for (const row of found.slice(drawn, drawn + STEP)) {
      const line = element("tr");
      const { outcome } = row;
      const sign = chips.find((chip) => chip.dataset.outcome === outcome)?.querySelector(".sign").textContent ?? "";
      const first = element("td", undefined, `outcome ${CLASSES[outcome] ?? "left"}`);
      const mark = element("span", sign);
      mark.setAttribute("aria-hidden", "true");
      first.append(mark, ` ${outcome}`);
      const message = [cell(row, "http_status").replace(/^./, "HTTP $&"), cell(row, "provider_code"), cell(row, "provider_message")].filter(Boolean).join(" · ");
      const name = element("th", cell(row, "action_id"));
      name.scope = "row";
      const open = element("button", "+", "open");
      open.type = "button";
      open.setAttribute("aria-expanded", "false");
      open.setAttribute("aria-label", `All columns of ${cell(row, "action_id")}`);
      open.addEventListener("click", () => unfold(open, line, row));
      const last = element("td");
      last.append(open);
      line.append(first, name, element("td", `${cell(row, "provider")} ${cell(row, "operation")}`, "wide"), element("td", cell(row, "target"), "wide"), element("td", message, "message"), element("td", cell(row, "attempts"), "wide number"), element("td", cell(row, "finished_at").replace(/T(.*)\.\d+Z$/, " $1Z"), "wide number moment"), last);
      part.append(line);
    }
    byId("body").append(part);
    drawn = Math.min(drawn + STEP, found.length);
    byId("more").hidden = drawn >= found.length;
    byId("status").textContent = `${drawn.toLocaleString("en")} of ${found.length.toLocaleString("en")} rows shown` + (found.length < rows.length ? `; ${rows.length.toLocaleString("en")} in all` : "");
  };

  const unfold = (button, line, row) => {
    const is = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!is));
    button.textContent = is ? "+" : "−";
    if (is) return line.nextSibling.remove();
    const list = element("dl");
    header.forEach((name, index) => {
      const text = shown(bare(cells(row)[index]));
      if (text) list.append(element("dt", name), element("dd", text));
    });
    const wide = element("td");
    wide.colSpan = 8;
    wide.append(list);
    const below = element("tr");
    below.append(wide);
    line.after(below);
  };

  const show = () => {
    const sought = words.toLowerCase().split(/\s+/).filter(Boolean);
    found = worst.filter((row) => {
      if (chosen.size && !chosen.has(row.outcome)) return false;
      if (!sought.length) return true;
      const text = cells(row).join("\n").toLowerCase();
      return sought.every((word) => text.includes(word));
    });
    if (sort) {
      const at = column[sort];
      const compare = sort === "attempts" ? (a, b) => a - b : new Intl.Collator("en", { numeric: true }).compare;
      found.sort((a, b) => (downwards ? -1 : 1) * compare(bare(cells(a)[at]), bare(cells(b)[at])) || a.index - b.index);
    }
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chosen.has(chip.dataset.outcome)));
    for (const heading of headings) {
      const way = heading.dataset.sort !== sort ? "none" : downwards ? "descending" : "ascending";
      heading.parentElement.setAttribute("aria-sort", way);
    }
    byId("body").replaceChildren();
    drawn = 0;
    draw();
  };

  // The address keeps what is shown, so that it can be passed on.
  const keep = () => {
    const state = new URLSearchParams();
    if (chosen.size) state.set("outcome", [...chosen].join(","));
    if (words) state.set("search", words);
    if (sort) state.set("sort", (downwards ? "-" : "") + sort);
    history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
    show();
  };
  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    chosen.clear();
    for (const outcome of (state.get("outcome") ?? "").split(",")) {
      if (chips.some((chip) => chip.dataset.outcome === outcome)) chosen.add(outcome);
    }
    words = byId("search").value = state.get("search") ?? "";
    const order = state.get("sort") ?? "";
    downwards = order.startsWith("-");
    sort = headings.map((heading) => heading.dataset.sort).find((name) => name === order.replace("-", "")) ?? "";
    show();
  };

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      const outcome = chip.dataset.outcome;
      if (!chosen.delete(outcome)) chosen.add(outcome);
      keep();
    });
  }
  for (const heading of headings) {
    heading.addEventListener("click", () => {
      downwards = heading.dataset.sort === sort && !downwards;
      sort = heading.dataset.sort;
      keep();
    });
  }
  let waiting;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { words = byId("search").value; keep(); }, 120);
  });
  byId("clear").addEventListener("click", () => {
    chosen.clear();
    words = byId("search").value = sort = "";
    downwards = false;
    keep();
  });
  byId("more").addEventListener("click", draw);
  byId("save").addEventListener("click", () => {
    const link = element("a");
    const lines = [head, ...rows.map(cells)].map((line) => line.join(","));
    link.href = URL.createObjectURL(new Blob(lines.map((line) => `${line}\r\n`), { type: "text/csv" }));
    link.download = document.querySelector(".rehearsal") ? "report.rehearsal.csv" : "report.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    recall();
    byId("rows-title").scrollIntoView();
  });

  document.documentElement.classList.add("scripted");
  byId("tools").hidden = byId("all").hidden = false;
  recall();
  document.documentElement.dataset.drawn = String(Math.round(performance.now()));
})();
