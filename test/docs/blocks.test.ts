import assert from "node:assert/strict";
import { faultsOf } from "./compiler.ts";
import { pages, readPage } from "./pages.ts";

describe("docs: code that readers copy", function () {
  this.timeout(60_000);

  for (const page of pages()) {
    it(`compiles in ${page.name} (${page.blocks.length} blocks)`, () => {
      assert.deepEqual(faultsOf(page), []);
    });
  }
});

describe("docs: how blocks are read", function () {
  this.timeout(60_000);
  const page = (...lines: string[]) => readPage("page.md", lines.join("\n"));

  it("finds code with its place, and leaves other languages alone", () => {
    const { blocks } = page("# A", "", "```sh", "npm i", "```", "```ts run", "a;", "```");
    assert.deepEqual(blocks, [
      { place: "page.md:6", code: "a;\n", extension: "ts", file: undefined, run: true },
    ]);
  });

  it("finds code in a list", () => {
    const [block] = page("- so:", "", "  ```js file=a.mjs", "  a;", "    b;", "  ```").blocks;
    assert.deepEqual([block?.code, block?.file], ["a;\n  b;\n", "a.mjs"]);
  });

  it("refuses a block that does not end, and words that say nothing", () => {
    assert.throws(() => page("```ts", "a;"), /page\.md:1/u);
    assert.throws(() => page("```ts nocheck", "```"), /nocheck/u);
  });

  it("says where code is wrong, as the reader sees it", () => {
    const faults = faultsOf(
      page(
        ..."text,```ts,import { createFederation } from 'aether-federation';".split(","),
        ...["createFederation({ worlds: {} });", "```"],
      ),
    );
    assert.equal(faults.length, 1);
    assert.match(faults[0]!, /^page\.md:4: .*origin/su);
  });

  it("lets a page take something for granted, and its blocks import each other", () => {
    const given = ["<!-- given", 'const place: import("aether-federation").Federation;', "-->"];
    const files = ["```ts file=a.ts", "export const a: string = place.origin;", "```"];
    const using = ["```ts", 'import { a } from "./a.ts";', "a.trim();", "```"];
    assert.deepEqual(faultsOf(page(...given, ...files, ...using)), []);
    assert.equal(faultsOf(page(...files)).length, 1);
  });

  it("takes the name of a block from the line before it, and files for granted", () => {
    const named = ["`src/rooms/a.ts`:", "", "```ts", "export const a = 1;", "```"];
    const granted = ["<!-- given file=b.d.ts", 'declare module "b" { const b: 1; }', "-->"];
    const using = [
      "```ts",
      'import { a } from "./rooms/a.js";',
      'import { b } from "b";',
      "a + b;",
    ];
    assert.deepEqual(faultsOf(page(...named, ...granted, ...using, "```")), []);
  });

  it("knows CommonJS, and JavaScript without types", () => {
    const common = ["```cjs", 'const { createFederation } = require("aether-federation");'];
    assert.deepEqual(faultsOf(page(...common, "createFederation;", "```")), []);
    const wrong = ["```js", 'import { nothing } from "aether-federation";', "nothing;", "```"];
    assert.equal(faultsOf(page(...wrong)).length, 1);
  });
});
