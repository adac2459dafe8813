import assert from "node:assert/strict";
import {
  type Ask,
  type Coming,
  type Fragment,
  type Granted,
  MAX_FRAGMENT_LENGTH,
  isFragment,
  parseFragment,
  withFragment,
} from "../../../src/client/hand-over/fragments.ts";
import { KIT } from "../../../src/client/kit.ts";
import { use } from "../../../src/client/later/kit.ts";

use(KIT);
const PAGE = "https://race.example/play?v=2";
const COMING: Coming = {
  ...{ kind: "coming", home: "https://home.example", isMove: false },
  transit: {
    ...{ transferId: "t", to: "aether://race.example/race", origin: "https://race.example" },
    reservation: { sessionId: "s", roomId: "r", processId: "p", name: "race" },
    ...{ world: "race", seat: "a.b.c", expiresAt: 1_790_000_000 },
  },
};
const ASK: Ask = {
  ...{ kind: "ask", to: "https://race.example", transferId: "t", sid: "s", returnTo: PAGE },
  jwk: { kty: "OKP", crv: "Ed25519", x: "A".repeat(43) },
  ...{ state: "s".repeat(22), expiresAt: 1_790_000_000 },
};
const GRANTED: Granted = { kind: "granted", delegation: "a.b.c", state: "s".repeat(22) };

const hashOf = (fragment: object): string => new URL(withFragment(PAGE, fragment as Fragment)).hash;

describe("client/hand-over/fragments", () => {
  for (const fragment of [COMING, ASK, GRANTED]) {
    it(`reads what says "${fragment.kind}" as it was written`, () => {
      const url = withFragment(PAGE, fragment);
      assert.ok(url.startsWith(`${PAGE}#aether`));
      assert.ok(isFragment(new URL(url).hash));
      assert.deepEqual(parseFragment(new URL(url).hash), fragment);
    });
  }

  it("leaves out what it does not know", () => {
    assert.deepEqual(parseFragment(hashOf({ ...ASK, admin: true })), ASK);
    const transit = { ...COMING.transit, headers: {} };
    assert.deepEqual(parseFragment(hashOf({ ...COMING, transit })), COMING);
  });

  const bad: Readonly<Record<string, object>> = {
    "a home that is no origin": { ...COMING, home: "https://home.example/x" },
    "a home in a script": { ...COMING, home: "javascript:alert(1)" },
    "no seat": { ...COMING, transit: {} },
    "a seat with a path in it": {
      ...COMING,
      transit: { ...COMING.transit, reservation: { sessionId: "../x" } },
    },
    "no word on moving": { ...COMING, isMove: "no" },
    "a server that is none": { ...ASK, to: "race.example" },
    "a long transfer id": { ...ASK, transferId: "t".repeat(65) },
    "a long session id": { ...ASK, sid: "s".repeat(129) },
    "a page in a script": { ...ASK, returnTo: "javascript:alert(1)" },
    "a page in data": { ...ASK, returnTo: "data:text/html,x" },
    "a page with a user": { ...ASK, returnTo: "https://u:p@race.example/play" },
    "a page with a fragment": { ...ASK, returnTo: `${PAGE}#x` },
    "a page with a long address": { ...ASK, returnTo: `${PAGE}${"x".repeat(1024)}` },
    "a key of another kind": { ...ASK, jwk: { ...ASK.jwk, crv: "X25519" } },
    "a key with its private half": { ...ASK, jwk: { ...ASK.jwk, d: "A".repeat(43) } },
    "a key that is too short": { ...ASK, jwk: { ...ASK.jwk, x: "A" } },
    "no state": { ...ASK, state: undefined },
    "a state that can be guessed": { ...ASK, state: "1" },
    "no end": { ...ASK, expiresAt: -1 },
    "a delegation that is none": { ...GRANTED, delegation: "x" },
    "a long delegation": { ...GRANTED, delegation: `a.b.${"c".repeat(2048)}` },
    "a state that is no text": { ...GRANTED, state: ["s".repeat(22)] },
  };
  for (const [what, fragment] of Object.entries(bad)) {
    it(`does not read ${what}`, () => {
      assert.equal(parseFragment(hashOf(fragment)), undefined);
    });
  }

  for (const hash of [
    ...["", "#", "#top", "#aether", "#aether=", "#aether=!", "#aether-ask=e30", "#aether=bnVsbA"],
    ...["#aether-else=e30", "#__proto__=e30", "#aether=W10", "#aether-granted=_w"],
    `#aether=${"e".repeat(MAX_FRAGMENT_LENGTH)}`,
  ]) {
    it(`does not read ${hash.slice(0, 30)}`, () => {
      assert.equal(parseFragment(hash), undefined);
    });
  }

  it("tells what is meant for it from what is the page's own", () => {
    assert.ok(
      isFragment("#aether=!") && isFragment("#aether-ask=") && isFragment("#aether-granted=x"),
    );
    assert.ok(!isFragment("#aethereal=1") && !isFragment("#top") && !isFragment(""));
  });
});
