/**
 * `npm run rooms`: draws the imports between rooms into docs/DESIGN.md. `--check` only looks whether
 * the picture there is true.
 */
import { readFile, writeFile } from "node:fs/promises";
import { cruise } from "dependency-cruiser";
import { APART, FLOORS, inside } from "./floors.mjs";

const PAGE = new URL("../docs/DESIGN.md", import.meta.url);
const [BEGIN, END] = ["<!-- rooms: made by npm run rooms -->", "<!-- /rooms -->"];
/** Whoever imports these is not worth an arrow: everybody does. */
const GROUND = new Set(["errors.ts", "words.ts", "options.ts", "ports.ts", "json.ts", "rows"]);

const rooms = [...FLOORS.flat(), ...APART];
const roomOf = (file) => rooms.find((room) => new RegExp(inside(room), "u").test(file));

const arrows = new Map(rooms.filter((room) => !GROUND.has(room)).map((room) => [room, new Set()]));
const { output } = await cruise(["src"], {
  tsPreCompilationDeps: true,
  tsConfig: { fileName: "tsconfig.json" },
  doNotFollow: { path: "node_modules" },
});
for (const { source, dependencies } of output.modules) {
  const from = roomOf(source);
  for (const { resolved } of dependencies) {
    const to = roomOf(resolved);
    if (from !== undefined && to !== undefined && to !== from && !GROUND.has(to)) {
      arrows.get(from)?.add(to);
    }
  }
}

/** Whether `to` is reached from `from` by two arrows or more. */
function implied(from, to) {
  const seen = new Set();
  const next = [...arrows.get(from)].filter((room) => room !== to);
  for (let room = next.pop(); room !== undefined; room = next.pop()) {
    if (room === to) return true;
    if (seen.has(room)) continue;
    seen.add(room);
    next.push(...arrows.get(room));
  }
  return false;
}

const name = (room) => room.replace(".ts", "").replace("/", "_");
const lines = [...FLOORS].reverse().flatMap((floor) =>
  floor
    .filter((room) => !GROUND.has(room))
    .map((room) => {
      const shown = [...arrows.get(room)].filter((to) => !implied(room, to));
      const to = rooms.filter((other) => shown.includes(other)).map(name);
      const box = `${name(room)}["${room}"]`;
      return to.length === 0 ? `  ${box}` : `  ${box} --> ${to.join(" & ")}`;
    }),
);
const picture = `${BEGIN}\n\n\`\`\`mermaid\nflowchart TD\n${lines.join("\n")}\n\`\`\`\n\n${END}`;

const page = await readFile(PAGE, "utf8");
const [head, rest] = page.split(BEGIN);
const tail = rest?.split(END)[1];
if (tail === undefined) throw new Error(`docs/DESIGN.md has no place for the picture: ${BEGIN}`);
const drawn = `${head}${picture}${tail}`;
if (process.argv.includes("--check")) {
  if (drawn !== page) {
    console.error(
      "docs/DESIGN.md shows other rooms than there are: npm run rooms draws them anew.",
    );
    process.exitCode = 1;
  }
} else await writeFile(PAGE, drawn);
