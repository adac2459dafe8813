import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folderOfSuite } from "../support/folders.ts";
import { deadLinks } from "../../tools/site/dead-links.ts";

describe("docs: links of the site", () => {
  const folder = folderOfSuite();
  let site: string;
  beforeEach(() => {
    site = join(folder.path, `site-${Math.random()}`);
    mkdirSync(join(site, "deep"), { recursive: true });
  });
  const page = (name: string, html: string): void => writeFileSync(join(site, name), html);

  it("lead to files and places that are there", () => {
    page("a.html", '<h1 id="top">A</h1><a href="deep/b.html#x&amp;y">b</a><a href="#top">a</a>');
    page("deep/b.html", '<h2 class="c" id="x&amp;y">B</h2><a href="../a.html">a</a>');
    assert.deepEqual(deadLinks(site), { pages: 2, dead: [] });
  });

  for (const [what, html, said] of [
    ["a file", '<a href="no.html">x</a>', "no.html: there is no such file"],
    ["a folder", '<a href="deep">x</a>', "deep: there is no such file"],
    ["a place", '<a class="k" href="#no">x</a>', "#no: there is no such place"],
    ["a script", '<script src="no.js"></script>', "no.js: there is no such file"],
  ] as const) {
    it(`names ${what} that is not there`, () => {
      page("a.html", html);
      assert.deepEqual(deadLinks(site).dead, [`a.html: ${said}`]);
    });
  }

  for (const html of [
    '<script async src="https://o.example/x.js">',
    '<link rel="stylesheet" href="//o.example/x.css"/>',
  ]) {
    it(`names what is loaded from another host: ${html}`, () => {
      page("a.html", html);
      assert.match(deadLinks(site).dead.join(), /^a\.html: .*o\.example.* from another host$/u);
    });
  }

  it("lets links lead to other hosts", () => {
    page("a.html", '<a href="https://o.example/">o</a>');
    assert.deepEqual(deadLinks(site).dead, []);
  });
});
