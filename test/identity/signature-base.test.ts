import assert from "node:assert/strict";
import { httpbis } from "http-message-signatures";
import { type Message, componentOf, signatureBase } from "../../src/identity/signature-base.ts";
import { parseList } from "../../src/identity/structured-fields.ts";

const REQUEST = {
  method: "POST",
  targetUri: "https://b.example:8443/a/b?x=1&x=%C3%A9&y%20z=2",
  headers: {
    "x-plain": " \tone\n   two ",
    "x-twice": ["a;b=1", " c "],
    "x-dictionary": "a=1.50,  b=(x  y);c, d;e",
    "x-list": "a, (b  c)",
    "x-bad": "a=",
    "x-undefined": undefined,
  },
};
const ANSWER: Message = { status: 409, headers: { "x-plain": "of the answer" } };

/** The one line of a base over one component; undefined when the message has no such. */
function lineOf(component: string, message: Message, request?: Message): string | undefined {
  const items = (parseList(component) ?? []).map((member) => {
    assert.ok("value" in member);
    return componentOf(member);
  });
  const base = signatureBase(items, "()", message, request)?.toString();
  return base?.replace(/\n"@signature-params": \(\)$/u, "");
}

describe("identity/signature-base", () => {
  const had: [string, string][] = [
    ['"@method"', '"@method": POST'],
    ['"@target-uri"', '"@target-uri": https://b.example:8443/a/b?x=1&x=%C3%A9&y%20z=2'],
    ['"@authority"', '"@authority": b.example:8443'],
    ['"@scheme"', '"@scheme": https'],
    ['"@path"', '"@path": /a/b'],
    ['"@query"', '"@query": ?x=1&x=%C3%A9&y%20z=2'],
    ['"@request-target"', '"@request-target": /a/b?x=1&x=%C3%A9&y%20z=2'],
    ['"@query-param";name="x"', '"@query-param";name="x": 1\n"@query-param";name="x": %C3%A9'],
    ['"@query-param";name="y%20z"', '"@query-param";name="y%20z": 2'],
    ['"x-plain"', '"x-plain": one two'],
    ['"X-Plain"', '"X-Plain": one two'],
    ['"x-twice"', '"x-twice": a;b=1, c'],
    ['"x-twice";bs', '"x-twice";bs: :YTtiPTE=:, :Yw==:'],
    ['"x-twice";sf', '"x-twice";sf: a;b=1, c'],
    ['"x-dictionary";sf', '"x-dictionary";sf: a=1.5, b=(x y);c, d;e'],
    ['"x-dictionary";key="b"', '"x-dictionary";key="b": (x y);c'],
    ['"x-dictionary";key="d"', '"x-dictionary";key="d": ?1;e'],
    ['"x-list";sf', '"x-list";sf: a, (b c)'],
  ];
  for (const [component, line] of had) {
    it(`has ${component}, as http-message-signatures`, () => {
      assert.equal(lineOf(component, REQUEST), line);
      const { method, targetUri, headers } = REQUEST;
      const judged = httpbis.createSignatureBase(
        { fields: [component] },
        { method, url: targetUri, headers: { ...headers, "x-undefined": "" } },
      );
      assert.equal(httpbis.formatSignatureBase(judged), line);
    });
  }

  const missing = [
    ...['"@status"', '"@none"', '"@signature-params"', '"x-none"', '"x-undefined"', '"toString"'],
    ...['"@method";req', '"x-plain";req', '"@query-param"', '"@query-param";name="none"', '""'],
    ...['"@query-param";name="%"', '"@query-param";name=1', '"x-bad";sf', '"x-bad";key="a"'],
    ...[
      '"x-dictionary";key="none"',
      '"x-dictionary";key=a',
      '"x-dictionary";bs;sf',
      "x-plain",
      "1",
    ],
    ...['"x-dictionary";bs;key="a"', '"x-list";key="b"'],
  ];
  for (const component of missing) {
    it(`has no ${component} of a request`, () => {
      assert.equal(lineOf(component, REQUEST), undefined);
    });
  }

  it("takes from an answer its own, and with req what is its request's", () => {
    assert.equal(lineOf('"@status"', ANSWER, REQUEST), '"@status": 409');
    assert.equal(lineOf('"x-plain"', ANSWER, REQUEST), '"x-plain": of the answer');
    assert.equal(lineOf('"x-plain";req', ANSWER, REQUEST), '"x-plain";req: one two');
    assert.equal(lineOf('"@path";req', ANSWER, REQUEST), '"@path";req: /a/b');
    for (const none of ['"@method"', '"@path"', '"@none"', '"@status";req', '"x-list"']) {
      assert.equal(lineOf(none, ANSWER, REQUEST), undefined, none);
    }
  });

  it("ends with the parameters", () => {
    assert.equal(
      signatureBase([], "();created=1", REQUEST)?.toString(),
      '"@signature-params": ();created=1',
    );
  });

  it("reads nothing of a target that is no URL but the target", () => {
    const odd = { method: "GET", targetUri: "odd", headers: {} };
    assert.equal(lineOf('"@target-uri"', odd), '"@target-uri": odd');
    assert.equal(lineOf('"@path"', odd), undefined);
    const bare = { ...odd, targetUri: "https://b.example" };
    assert.equal(lineOf('"@query"', bare), '"@query": ?');
    assert.equal(lineOf('"@path"', bare), '"@path": /');
  });
});
