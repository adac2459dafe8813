import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { rooms } from "../support/running.ts";
import { portal } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { install } from "./reader.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("the examples in the docs", function () {
  this.timeout(120_000);
  const folder = folderOfSuite();
  const at = rooms("home", "away");

  before(() => {
    install(folder.path);
  });

  it("restore a hero within the game's bounds", async () => {
    const code = (await blocksOf("schema", "ts"))[1]!;
    const file = join(folder.path, "hero.ts");
    await writeFile(file, code);
    const { arrive } = (await import(pathToFileURL(file).href)) as {
      arrive: (carried: unknown) => { gold: number };
    };
    assert.equal(arrive({ gold: 7 }).gold, 7);
    assert.equal(arrive({ gold: 5000 }).gold, 1000);
    const { warn } = console;
    const said: unknown[] = [];
    console.warn = (line: unknown) => said.push(line);
    try {
      assert.equal(arrive({ gold: -1 }).gold, 0);
    } finally {
      console.warn = warn;
    }
    assert.match(String(said), /not restored: \/gold/u);
  });

  it("travel with the SDK as it comes", async () => {
    const [code = ""] = await blocksOf("clients", "js");
    const script = code
      .replace("https://worlds.example.com", at.home.origin)
      .replace('"plaza"', '"plain"');
    assert.ok(script.includes(at.home.origin) && script.includes('"plain"'));
    const told = `
      const first = room;
      room.onMessage("whoami", ({ player }) => console.log("is " + player.id));
      room.send("whoami");
      room.send("federation:enter", { to: ${JSON.stringify(portal(at.away))} });
      while (room === first) await new Promise((resolve) => setTimeout(resolve, 20));
      room.onMessage("whoami", ({ player }) => {
        console.log("there " + player.id);
        setInterval(() => undefined, 1000);
      });
      room.send("whoami");
    `;
    const file = join(folder.path, "stock.js");
    await writeFile(file, `${script}\n${told}`);
    const child = execFile(process.execPath, [file]);
    try {
      let out = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on("data", (text: string) => {
          out += text;
        });
      }
      const [, id, there] = await eventually(
        () => {
          const said = /is (\S+)[^]*there (\S+)/u.exec(out);
          assert.ok(said !== null, out);
          return said;
        },
        { timeoutMilliseconds: 20_000 },
      );
      assert.equal(there, id);
      assert.equal(ledgerRow(at.home, id!)?.holder, at.away.origin);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

async function blocksOf(page: string, language: string): Promise<string[]> {
  const text = await readFile(join(root, "docs", `${page}.md`), "utf8");
  return [...text.matchAll(/```(\w+)\n(.*?)```/gsu)]
    .filter(([, said]) => said === language)
    .map(([, , code]) => code!);
}
