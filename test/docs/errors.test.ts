import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { ERROR_CODES, type FederationErrorCode } from "../../src/errors.ts";
import { problem } from "../../src/http/inbound/problem.ts";
import { anchorsOf } from "./links.ts";
import { ROOT } from "./pages.ts";

const CODES = Object.keys(ERROR_CODES) as FederationErrorCode[];

describe("docs: error codes", () => {
  const page = readFileSync(`${ROOT}docs/errors.md`, "utf8");
  const [, ...entries] = page.split(/^### /mu);

  it("has every code, in the order of src/errors.ts, and none too many", () => {
    assert.deepEqual(
      entries.map((entry) => entry.slice(0, entry.indexOf("\n"))),
      CODES,
    );
  });

  for (const entry of entries) {
    const [code = ""] = entry.split("\n");
    it(`says of ${code} its status, its title, a cause and a cure`, () => {
      const [status, title] = ERROR_CODES[code as FederationErrorCode];
      const [, said, cause, cure] = entry.split(/\n\n(?:- )?|\n- /u).map((text) => text.trim());
      assert.equal(said, `${status}: ${title}.`);
      assert.match(cause ?? "", /^\*\*Cause:\*\* .{20,}\.$/u);
      assert.match(cure ?? "", /^\*\*Cure:\*\* .{20,}\.$/u);
    });
  }

  it("is where the type of every problem document leads", () => {
    const anchors = anchorsOf(page);
    const { repository: said } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
      repository: { url: string };
    };
    const repository = said.url.replace(/^git\+|\.git$/gu, "");
    for (const code of CODES) {
      const [file, anchor = ""] = problem(code).type.split("#");
      assert.equal(file, `${repository}/blob/main/docs/errors.md`);
      assert.ok(anchors.has(anchor), anchor);
    }
  });

  it("names no code in its cures that does not exist, nor does another page", () => {
    for (const name of readdirSync(`${ROOT}docs`).filter((file) => file.endsWith(".md"))) {
      const text = readFileSync(`${ROOT}docs/${name}`, "utf8");
      const strange = [...text.matchAll(/ERR_FED_[A-Z_]*[A-Z]\b/gu)]
        .map(([code]) => code)
        .filter((code) => !Object.hasOwn(ERROR_CODES, code));
      assert.deepEqual(strange, [], name);
    }
  });

  it("explains no code that nothing refuses with", () => {
    const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && name !== "errors.ts")
      .map((name) => readFileSync(`${ROOT}src/${name}`, "utf8"))
      .join("\n");
    assert.deepEqual(
      CODES.filter((code) => !new RegExp(`\\b${code}\\b`, "u").test(sources)),
      [],
    );
  });
});
