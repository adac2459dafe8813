import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { folderOfSuite } from "../support/folders.ts";
import { anchorsOf, linksOf } from "./links.ts";
import { ROOT } from "./pages.ts";

describe("docs: links between pages", () => {
  const root = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
  const docs = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith(".md"));
  for (const name of [...root, ...docs.map((page) => `docs/${page}`)]) {
    it(`lead somewhere in ${name}`, () => {
      assert.deepEqual(linksOf(ROOT, name).dead, []);
    });
  }
});

describe("docs: how links are checked", () => {
  const folder = folderOfSuite();

  it("finds a file and a heading that are not there, and nothing within code", () => {
    writeFileSync(
      `${folder.path}/a.md`,
      "# A\n\n[x](b.md) [y](#a) [z](#b) [o](https://o.example)\n",
    );
    writeFileSync(`${folder.path}/c.md`, "```md\n[x](b.md)\n```\n\n[a](a.md#a)\n");
    const { dead, outside } = linksOf(`${folder.path}/`, "a.md");
    assert.deepEqual(dead, ["b.md: no file b.md", "#b: no such heading in a.md"]);
    assert.deepEqual(outside, ["https://o.example"]);
    assert.deepEqual(linksOf(`${folder.path}/`, "c.md").dead, []);
  });

  it("names headings as code hosts do", () => {
    const text = "# `new Server`\n## Colyseus' starter\n## A, b\n## A b\n```sh\n# no\n```\n";
    assert.deepEqual([...anchorsOf(text)], ["new-server", "colyseus-starter", "a-b", "a-b-1"]);
  });
});
