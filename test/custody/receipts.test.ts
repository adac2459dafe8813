import assert from "node:assert/strict";
import {
  type ReceiptClaims,
  countersignedBy,
  digestOfState,
  issueCountersignature,
  readReceipt,
} from "../../src/identity/receipt.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { type CustodyServer, CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";
import { Walk } from "../support/walk.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";
const GALLERY = "https://gallery.example";
const TRANSFER = "11111111-2222-4333-8444-555555555555";

describe("custody, and the receipts of crossings", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let gallery: CustodyServer;
  const walk = new Walk();

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena, gallery] = [servers.add(HOME), servers.add(ARENA), servers.add(GALLERY)];
  });

  const keyFor = (issuer: string) => importVerifyKey(servers.keyOf(issuer).jwk);

  /** Ada goes from home to the arena, and on to the gallery, with what the arena gave her. */
  async function crossTwice(): Promise<void> {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    const there = await walk.cross(home, arena, "ada@home.example", body);
    there.carried = { gold: 2 };
    await walk.cross(arena, gallery, "ada@home.example", there, TRANSFER);
  }

  async function filed(at: CustodyServer) {
    // Records are gathered before they are written.
    servers.clock.advance(100);
    const crossing = await at.custody.history.find(TRANSFER, HOME);
    assert.ok(crossing !== undefined);
    const claims = readReceipt(crossing.receipt);
    assert.ok(claims !== undefined);
    return { claims, by: await countersignedBy(crossing.countersignatures, claims, keyFor) };
  }

  const source = { by: ARENA, as: "source", digest: digestOfState({ gold: 2 }), agrees: true };
  const destination = { ...source, by: GALLERY, as: "destination" };

  it("are countersigned by both ends, for home and for each of them", async () => {
    await crossTwice();
    await eventually(async () => {
      assert.deepEqual((await filed(home)).by, [source, destination]);
      assert.ok((await filed(arena)).by.some(({ by }) => by === ARENA));
      assert.ok((await filed(gallery)).by.some(({ by }) => by === GALLERY));
    });
    const { claims } = await filed(gallery);
    assert.equal(claims.digest, digestOfState({ gold: 2 }));
    assert.equal(claims.handed, digestOfState({ gold: 2 }));
    // Whoever comes second has the word of both.
    const both = await Promise.all([filed(arena), filed(gallery)]);
    assert.ok(both.some(({ by }) => by.length === 2));
  });

  it("say where an end names another digest than home, which is evidence and is kept", async () => {
    const lie = { gold: 3 };
    await crossTwice();
    await eventually(() => filed(home));
    const { claims } = await filed(home);
    const word = await wordOf(ARENA, claims, lie);
    const [, said] = await countersignedBy(
      [await wordOf(GALLERY, claims, { gold: 2 }), word],
      claims,
      keyFor,
    );
    assert.deepEqual(said, { ...source, digest: digestOfState(lie), agrees: false });
  });

  function wordOf(
    by: string,
    { iss, digest: _, handed: __, ...claims }: ReceiptClaims,
    state: unknown,
  ) {
    const words = { ...claims, iss: by, home: iss, digest: digestOfState(state) };
    return issueCountersignature(words, servers.keyOf(by));
  }

  it("are not countersigned by whoever is no end, for another, or for another crossing", async () => {
    await crossTwice();
    await eventually(async () => {
      assert.equal((await filed(home)).by.length, 2);
    });
    const { claims } = await filed(home);
    for (const [caller, word] of [
      [ARENA, await wordOf(HOME, claims, {})],
      [ARENA, await wordOf(GALLERY, claims, {})],
      [ARENA, await wordOf(ARENA, { ...claims, epoch: 9 }, {})],
      [ARENA, await wordOf(ARENA, { ...claims, iss: GALLERY }, {})],
      [ARENA, "a.b.c"],
    ] as const) {
      const body = { transferId: TRANSFER, countersignature: word };
      const answer = await home.custody.answer(caller, "receipt", body, 0);
      assert.ok(!answer.ok && answer.code === "ERR_FED_SIGNATURE_INVALID", JSON.stringify(answer));
    }
    assert.deepEqual((await filed(home)).by, [source, destination]);
  });

  it("come without countersignatures from a home that has not this addition", async () => {
    servers.answer = (path, body) =>
      path === "/custody/receipt" && "countersignature" in (body as object)
        ? { ok: false, code: "ERR_FED_MALFORMED", reason: "countersignature: unknown" }
        : undefined;
    await crossTwice();
    await eventually(async () => {
      assert.deepEqual((await filed(arena)).by, [source]);
      assert.deepEqual((await filed(gallery)).by, [destination]);
    });
    assert.deepEqual((await filed(home)).by, []);
  });

  it("are kept where home has no receipts to give, but for the source's", async () => {
    servers.answer = (path) =>
      path === "/custody/receipt"
        ? { ok: false, code: "ERR_FED_NOT_FOUND", reason: "no custody call" }
        : undefined;
    await crossTwice();
    await eventually(async () => {
      assert.deepEqual((await filed(gallery)).by, [destination]);
    });
    assert.equal(await arena.custody.history.find(TRANSFER, HOME), undefined);
  });
});
