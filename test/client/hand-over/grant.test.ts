import assert from "node:assert/strict";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { PlayerKey } from "aether-federation/client";
import { type Ask, parseFragment } from "../../../src/client/hand-over/fragments.ts";
import { grant } from "../../../src/client/hand-over/grant.ts";
import { Identity } from "../../../src/client/identity.ts";
import { KIT } from "../../../src/client/kit.ts";
import { use } from "../../../src/client/later/kit.ts";
import { Whereabouts } from "../../../src/client/whereabouts.ts";
import { verifyDelegation } from "../../../src/identity/delegation.ts";
import { memoryStorage } from "../../support/memory-storage.ts";

use(KIT);
const HOME = "https://home.example";
const RACE = "https://race.example";
const QUIZ = "https://quiz.example";
const PAGE = `${RACE}/play`;

/** What the page of a player's home gives away, and to whom. */
describe("client/hand-over/grant", () => {
  const { fetch } = globalThis;
  let open: object | undefined;
  let asked: { url: string; bearer: string; body: unknown }[];
  beforeEach(() => {
    asked = [];
    open = { to: RACE, from: HOME, world: "race" };
    globalThis.fetch = (input, init) => {
      const { url } = new Request(input, init);
      const headers = new Headers(init?.headers);
      const bearer = headers.get("authorization") ?? "";
      asked.push({ url, bearer, body: JSON.parse(init?.body as string) as unknown });
      const refused = { code: "ERR_FED_TRANSFER_UNKNOWN", detail: "no such crossing" };
      return Promise.resolve(Response.json(open ?? refused, { status: open ? 200 : 409 }));
    };
  });
  afterEach(() => {
    globalThis.fetch = fetch;
  });

  const pages: Record<string, string> = { [RACE]: `${PAGE}?v=2`, [QUIZ]: `${QUIZ}/play` };
  const whereabouts = Object.assign(new Whereabouts(() => Promise.reject(new Error("unused"))), {
    nameOf: () => Promise.resolve(HOME),
    endpointOf: () => Promise.resolve(`${HOME}/federation`),
    pageOf: (origin: string) => Promise.resolve(pages[origin]),
  });
  const delegate = PlayerKey.generate();
  const ask = (changes: Partial<Ask> = {}): Ask => ({
    ...{ kind: "ask", to: RACE, transferId: "t", sid: "seat", jwk: delegate.jwk, returnTo: PAGE },
    ...{ state: "s".repeat(22), expiresAt: Math.floor(Date.now() / 1000) + 30 },
    ...changes,
  });
  const identity = (): Identity => new Identity(HOME, { storage: memoryStorage() });
  const never = (): never => assert.fail("nobody is to be asked");

  it("lets the page's key take the seat that home knows of, and sends the browser to the server's own page", async () => {
    const player = identity();
    const url = await grant(ask({ returnTo: `${PAGE}?by=friend` }), player, whereabouts, "onward");
    assert.ok(
      url.startsWith(`${PAGE}?v=2#aether-granted=`),
      "where the descriptor says, not the asker",
    );
    const said = parseFragment(new URL(url).hash);
    assert.ok(said?.kind === "granted" && said.state === "s".repeat(22));
    const verified = verifyDelegation(said.delegation, {
      ...{ now: Date.now(), audience: RACE, seat: "seat", transferId: "t" },
    });
    assert.ok(verified.verified, JSON.stringify(verified));
    assert.equal(verified.delegation.jkt, await player.key?.thumbprint());
    assert.equal(verified.delegation.cnf.jkt, await delegate.thumbprint());
    assert.ok(verified.delegation.exp - verified.delegation.iat <= 60);
    const [{ url: called, bearer, body }] = asked as [(typeof asked)[number]];
    assert.deepEqual([called, body], [`${HOME}/federation/hand-over`, { transferId: "t" }]);
    const proof = bearer.replace("Bearer ", "");
    assert.equal(decodeProtectedHeader(proof).typ, "aether-pop+jwt");
    assert.equal(decodeJwt(proof)["use"], "hand-over");
  });

  for (const [what, changes] of Object.entries({
    "a page of somebody else's": { returnTo: "https://evil.example/play" },
    "another page of that server": { returnTo: `${RACE}/other` },
    "a page at another port of that host": { returnTo: "https://race.example:8443/play" },
    "a page by http": { returnTo: "http://race.example/play" },
    "another server than the crossing leads to": { to: QUIZ, returnTo: `${QUIZ}/play` },
    "the server itself that has no page": {
      to: "https://pit.example",
      returnTo: "https://pit.example/",
    },
  })) {
    it(`gives ${what} nothing`, async () => {
      if (what.endsWith("has no page"))
        open = { to: "https://pit.example", from: HOME, world: "pit" };
      await assert.rejects(
        grant(ask(changes), identity(), whereabouts, never),
        /ERR_FED_HAND_OVER_FAILED/u,
      );
    });
  }

  it("gives nobody anything without a crossing that home knows of", async () => {
    open = undefined;
    await assert.rejects(
      grant(ask(), identity(), whereabouts, never),
      /ERR_FED_TRANSFER_UNKNOWN: no such crossing/u,
    );
  });

  it("gives nobody anything for a seat at home itself", async () => {
    open = { to: HOME, from: RACE, world: "garden" };
    const own = Object.assign(Object.create(whereabouts) as Whereabouts, {
      pageOf: () => Promise.resolve(`${HOME}/play`),
    });
    const asking = ask({ to: HOME, returnTo: `${HOME}/play` });
    await assert.rejects(grant(asking, identity(), own, "never"), /ERR_FED_CROSSING_ABANDONED/u);
  });

  it("gives nothing by a key that is not the player's own", async () => {
    const guest = new Identity(HOME, { storage: null });
    await assert.rejects(grant(ask(), guest, whereabouts, never), /ERR_FED_HAND_OVER_FAILED/u);
    assert.deepEqual(asked, []);
  });

  it("asks the player, with the word of home on where it comes from", async () => {
    open = { to: RACE, from: QUIZ, world: "race" };
    const crossings: object[] = [];
    const no = ({
      from,
      to,
      world,
      page,
    }: {
      from?: unknown;
      to: string;
      world?: unknown;
      page?: unknown;
    }) => {
      crossings.push({ from, to, world, page });
      return false;
    };
    await assert.rejects(grant(ask(), identity(), whereabouts, no), /ERR_FED_CROSSING_ABANDONED/u);
    assert.deepEqual(crossings, [{ from: QUIZ, to: RACE, world: "race", page: `${PAGE}?v=2` }]);
  });
});
