import assert from "node:assert/strict";
import { type Server, createServer } from "node:http";
import { type Answer, refusal, send } from "../../../src/http/inbound/answers.ts";
import { problem } from "../../../src/http/inbound/problem.ts";
import { hangUp, listen } from "../../support/loopback.ts";

describe("http/answers", () => {
  it("refuses in the same words each time, whatever else was refused before", () => {
    for (let round = 0; round < 2; round += 1) {
      for (let each = 0; each < 100; each += 1) {
        for (const [detail, wait] of [
          [`nothing at /${each}`, undefined],
          [undefined, each],
          [String(each), undefined],
          [`nothing at /${each}`, each],
          [undefined, undefined],
        ] as const) {
          const { status, body, text, retryAfterSeconds } = refusal(
            "ERR_FED_NOT_FOUND",
            detail,
            wait,
          );
          const expected = problem("ERR_FED_NOT_FOUND", detail, wait);
          assert.deepEqual([status, body, retryAfterSeconds], [404, expected, wait]);
          assert.equal(text, JSON.stringify(expected));
        }
      }
    }
  });

  it("keeps a bounded number of what strangers can make it say", () => {
    const kept = (detail: string): boolean =>
      refusal("ERR_FED_MALFORMED", detail) === refusal("ERR_FED_MALFORMED", detail);
    assert.equal(kept("x".repeat(201)), false);
    const all = Array.from({ length: 1_000 }, (_, each) => kept(`no ${each}`));
    assert.ok(all.filter(Boolean).length <= 32, String(all.filter(Boolean).length));
    assert.equal(all.at(-1), false);
  });

  describe("send", () => {
    let server: Server;
    let origin: string;
    let answer: Answer;
    let headers: Record<string, string>;
    let set: readonly [string, string] | undefined;

    beforeEach(async () => {
      [headers, set] = [{}, undefined];
      server = createServer((_request, response) => {
        if (set !== undefined) response.setHeader(...set);
        send(response, answer, undefined, headers);
        send(response, { status: 200, body: "a second answer" });
      });
      ({ origin } = await listen(server));
    });
    afterEach(() => hangUp(server));

    it("says how long a text is that is not ASCII", async () => {
      const body = { name: "Grüße, 🌍", latin: "é" };
      answer = { status: 200, body };
      assert.deepEqual(await (await fetch(origin)).json(), body);
    });

    it("lets nobody keep an answer, unless it says for how long", async () => {
      const told = async (): Promise<string | null> =>
        (await fetch(origin)).headers.get("cache-control");
      answer = { status: 200, body: {} };
      assert.equal(await told(), "no-store");
      answer = { status: 200, body: {}, cacheSeconds: 300 };
      assert.equal(await told(), "public, max-age=300");
    });

    it("sends all headers there are, those that were set before among them", async () => {
      [set, headers] = [["X-Powered-By", "a host"], { signature: "s", "content-digest": "d" }];
      answer = { ...refusal("ERR_FED_RATE_LIMITED", undefined, 7), allow: "POST" };
      const said = await fetch(origin);
      assert.deepEqual(
        ["x-powered-by", "signature", "content-digest", "retry-after", "allow"].map((name) =>
          said.headers.get(name),
        ),
        ["a host", "s", "d", "7", "POST"],
      );
      assert.equal(said.headers.get("content-type"), "application/problem+json");
      assert.equal(said.headers.get("x-content-type-options"), "nosniff");
    });
  });
});
