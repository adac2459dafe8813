import assert from "node:assert/strict";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type AdminAccess, AdminGate } from "../../src/admin/access.ts";
import { createAdmin } from "../../src/admin/admin.ts";
import { FederationError } from "../../src/errors.ts";
import type { AdminDeeds } from "../../src/operator/actions.ts";
import type { Overview, OverviewQuery } from "../../src/operator/overview.ts";
import { systemClock } from "../../src/ports.ts";
import { quickClock } from "../support/quick-clock.ts";
import { recordingLogger } from "../support/loggers.ts";

const TOKEN = "a-token-that-is-long-enough-for-a-test";
const BLOCK = '{"action":"block","what":"https://evil.example"}';

describe("admin/admin", () => {
  let server: Server | undefined;
  let done: string[];
  let queries: OverviewQuery[];
  let failing: Error | undefined;
  let logger: ReturnType<typeof recordingLogger>;

  const serve = async (access: AdminAccess, clock = systemClock): Promise<string> => {
    const note = (text: string) => {
      done.push(text);
      return failing === undefined ? Promise.resolve() : Promise.reject(failing);
    };
    const matched = { matched: ["https://evil.example"] };
    const deeds: AdminDeeds = {
      approve: (origin, options) => note(`approve ${origin} ${JSON.stringify(options)}`),
      block: async (what) => note(`block ${what}`).then(() => matched),
      unblock: async (what) => note(`unblock ${what}`).then(() => matched),
      retry: (origin) => note(`retry ${origin}`),
      forget: async (origin) => note(`forget ${origin}`).then(() => true),
      recall: async (player) => note(`recall ${player}`).then(() => "at home"),
      release: async (asset) => note(`release ${asset}`).then(() => undefined),
      purge: async (asset) => note(`purge ${asset}`).then(() => 1),
      audit: (what, subject) => {
        done.push(`audit ${what} ${subject}`);
        return Promise.resolve();
      },
    };
    const handle = createAdmin({
      ...{ access, base: "/federation", deeds, clock, logger },
      overview: (query) => {
        queries.push(query);
        return Promise.resolve({ at: 1 } as Overview);
      },
    });
    server = createServer((request, response) => {
      void handle(request, response, (request.url ?? "").replace(/^\/admin/u, ""));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/admin`;
  };
  const headers = (token = TOKEN) => ({
    "Aether-Admin": "1",
    Authorization: `Bearer ${token}`,
    "Content-Type": "application/json",
  });
  const act = (base: string, body: string, more: Record<string, string> = headers()) =>
    fetch(`${base}/act`, { method: "POST", headers: more, body });

  beforeEach(() => {
    [done, queries, failing] = [[], [], undefined];
    logger = recordingLogger();
  });
  afterEach(async () => {
    server?.closeAllConnections();
    if (server !== undefined) await new Promise((resolve) => server?.close(resolve));
    server = undefined;
  });

  it("refuses to be made without a guard", () => {
    assert.throws(
      () => new AdminGate({ access: {}, clock: systemClock, logger }),
      /^TypeError: admin: expected a token .* or a guard/u,
    );
  });

  it("serves a page that says nothing of the server, with a policy that lets nothing else in", async () => {
    const response = await fetch(await serve({ token: TOKEN }));
    const text = await response.text();
    assert.equal(response.status, 200);
    assert.match(text, /data-base="\/federation" data-token="yes"/u);
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'; script-src 'self'/u);
    assert.match(policy, /frame-ancestors 'none'/u);
    assert.deepEqual(queries, []);
  });

  it("shows data to whoever has the token, and asks for what is asked", async () => {
    const base = await serve({ token: TOKEN });
    const response = await fetch(`${base}/data?q=x&condition=down&from=100`, {
      headers: headers(),
    });
    assert.deepEqual(await response.json(), { at: 1 });
    assert.deepEqual(queries, [{ search: "x", condition: "down", from: 100 }]);
    assert.equal(response.headers.get("cache-control"), "no-store");
  });

  it("takes a query that is none for one that asks for nothing", async () => {
    const base = await serve({ token: TOKEN });
    await fetch(`${base}/data?condition=constructor&from=-1e9`, { headers: headers() });
    assert.deepEqual(queries, [{ search: undefined, condition: undefined, from: 0 }]);
  });

  it("shows nothing without the token", async () => {
    const base = await serve({ token: TOKEN });
    const response = await fetch(`${base}/data`, { headers: { "Aether-Admin": "1" } });
    assert.equal(response.status, 401);
    assert.deepEqual(queries, []);
  });

  it("shows nothing for another token, says who tried, and lets nobody guess on", async () => {
    const base = await serve({ token: TOKEN });
    const answers: number[] = [];
    for (let index = 0; index < 12; index += 1) {
      const response = await fetch(`${base}/data`, { headers: headers(`${TOKEN}${index}`) });
      answers.push(response.status);
    }
    assert.deepEqual(answers, [...Array<number>(10).fill(401), 429, 429]);
    assert.match(logger.lines.join("\n"), /wrong token for the admin page came from 127\.0\.0\.1/u);
    assert.doesNotMatch(logger.lines.join("\n"), new RegExp(TOKEN, "u"));
    const right = await fetch(`${base}/data`, { headers: headers() });
    assert.equal(right.status, 200, "who has it is kept out by nobody's guesses");
  });

  it("decides nothing for a page of somebody else's, which cannot send the header", async () => {
    const base = await serve({ guard: (_request, _response, next) => next() });
    const response = await act(base, BLOCK, { "Content-Type": "text/plain" });
    assert.equal(response.status, 400);
    assert.deepEqual(done, []);
  });

  it("makes a decision, writes it down, and says what came of it", async () => {
    const response = await act(await serve({ token: TOKEN }), BLOCK);
    assert.match(((await response.json()) as { done: string }).done, /evil\.example is blocked/u);
    assert.deepEqual(done, ["block https://evil.example", "audit block https://evil.example"]);
  });

  it("refuses a decision that is none", async () => {
    const base = await serve({ token: TOKEN });
    for (const body of ["", "{", "[]", '{"action":"explode"}', '{"action":"block","what":1}']) {
      assert.equal((await act(base, body)).status, 400, body);
    }
    assert.deepEqual(done, []);
  });

  it("refuses a decision that is too long", async () => {
    const base = await serve({ token: TOKEN });
    const response = await act(base, `${BLOCK}${" ".repeat(9_000)}`).catch(() => undefined);
    assert.ok(response === undefined || response.status === 413, String(response?.status));
    assert.deepEqual(done, []);
  });

  it("says why a decision cannot be made", async () => {
    failing = new TypeError("name the keys");
    const base = await serve({ token: TOKEN });
    const answer = await act(base, '{"action":"approve","origin":"https://a.example","keys":[]}');
    assert.equal(answer.status, 409);
    assert.deepEqual(await answer.json(), { failed: "name the keys" });
    assert.ok(
      !done.some((each) => each.startsWith("audit")),
      "what was not decided is not written",
    );
    failing = new FederationError("ERR_FED_UNREACHABLE");
    const retried = await act(base, '{"action":"retry","origin":"https://a.example"}');
    assert.match(((await retried.json()) as { failed: string }).failed, /^ERR_FED_UNREACHABLE/u);
  });

  it("says nothing of what it did not expect, and logs it", async () => {
    failing = new Error("the secret of the store");
    const answer = await act(await serve({ token: TOKEN }), BLOCK);
    assert.equal(answer.status, 503);
    assert.doesNotMatch(await answer.text(), /secret/u);
    assert.equal(logger.lines.length, 1);
  });

  it("lets the operator's own guard answer", async () => {
    const base = await serve({
      guard: (_request, response) => {
        response.statusCode = 418;
        response.end("no");
      },
    });
    assert.equal((await fetch(base)).status, 418);
    assert.equal((await act(base, BLOCK)).status, 418);
    assert.deepEqual(done, []);
  });

  it("lets nobody in when the guard throws", async () => {
    const base = await serve({
      guard: () => {
        throw new Error("no database");
      },
    });
    assert.equal((await act(base, BLOCK)).status, 503);
    assert.deepEqual(done, []);
  });

  it("lets nobody in when the guard rejects", async () => {
    const base = await serve({ guard: () => Promise.reject(new Error("no database")) });
    assert.equal((await act(base, BLOCK)).status, 503);
    assert.deepEqual(done, []);
  });

  it("lets nobody in when the guard says no more", async () => {
    const base = await serve({ guard: () => undefined }, quickClock(100));
    assert.equal((await act(base, BLOCK)).status, 503);
    assert.deepEqual(done, []);
  });

  it("wants the token, too, where there is a guard beside it", async () => {
    const base = await serve({ token: TOKEN, guard: (_request, _response, next) => next() });
    assert.equal((await act(base, BLOCK, { "Aether-Admin": "1" })).status, 401);
    assert.equal((await act(base, BLOCK)).status, 200);
  });

  it("serves nothing of the folders around its page", async () => {
    const base = await serve({ token: TOKEN });
    for (const path of ["/page/../admin.js", "/page/%2e%2e/admin.js", "/page/", "/secrets"]) {
      assert.equal((await fetch(`${base}${path}`)).status, 404, path);
    }
  });
});
