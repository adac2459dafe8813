/** Names the source files at which a review asks whether two ideas live in one. Never fails. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const ASK_AT_LINES = 300;

const files = execFileSync("git", ["ls-files", "src/*.ts", "example-server/*.ts"], {
  encoding: "utf8",
});
const long = files
  .split("\n")
  .filter((file) => file !== "")
  .map((file) => ({ file, lines: readFileSync(file, "utf8").split("\n").length - 1 }))
  .filter(({ lines }) => lines > ASK_AT_LINES)
  .sort((a, b) => b.lines - a.lines);
if (long.length > 0) {
  console.log(`Past ${ASK_AT_LINES} lines, to be asked whether two ideas live in one:`);
  for (const { file, lines } of long) console.log(`${String(lines).padStart(5)}  ${file}`);
}
