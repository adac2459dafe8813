import assert from "node:assert/strict";
import {
  type ReceiptClaims,
  countersignedBy,
  digestOfState,
  issueCountersignature,
  readReceipt,
  verifyReceipt,
} from "../../src/identity/receipt.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import type { CrossingRecord } from "../../src/custody/shared/history.ts";
import { peekHeader } from "../../src/identity/jws.ts";
import { TREE_ALGORITHM } from "../../src/identity/tree-signature.ts";
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

  for (const [how, knows] of [
    ["one by one", () => false],
    ["where home alone knows how to take many at once", (origin: string) => origin === HOME],
    ["where the ends alone do", (origin: string) => origin !== HOME],
    ["many at once", () => true],
  ] as const) {
    it(`are countersigned by both ends, for home and for each of them, ${how}`, async () => {
      servers.knowsReceipts = knows;
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
  }

  it("are one call to a home however many they are, and one signature each way", async () => {
    const ids = ["ada", "bob", "cleo"];
    for (const id of ids) {
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(home, id, body);
      await walk.cross(home, arena, `${id}@home.example`, body);
    }
    await eventually(async () => {
      servers.clock.advance(100);
      assert.equal((await receiptsAt(arena, ids)).length, 3);
    });
    const asked = servers.calls.filter(({ path }) => path.startsWith("/custody/receipt"));
    assert.deepEqual(
      asked.map(({ path }) => path),
      ["/custody/receipts"],
    );
    for (const { receipt, countersignatures } of await receiptsAt(arena, ids)) {
      assert.equal(peekHeader(receipt)?.["alg"], TREE_ALGORITHM);
      assert.deepEqual(
        countersignatures.map((word) => peekHeader(word)?.["alg"]),
        [TREE_ALGORITHM],
      );
      const claims = readReceipt(receipt);
      assert.ok(claims !== undefined);
      assert.ok((await verifyReceipt(receipt, keyFor)).verified);
      assert.equal((await countersignedBy(countersignatures, claims, keyFor)).length, 1);
    }
    const [one] = await receiptsAt(home, ids);
    const [other] = await receiptsAt(arena, ids);
    assert.deepEqual(one, other);
  });

  async function receiptsAt(at: CustodyServer, ids: readonly string[]): Promise<CrossingRecord[]> {
    const found: CrossingRecord[] = [];
    for (const id of ids) {
      const [crossing] = await home.custody.history.of(id);
      const there = crossing && (await at.custody.history.find(crossing.transferId, HOME));
      if (there !== undefined) found.push(there);
    }
    return found;
  }

  it("are not many under one signature where an end would not read that", async () => {
    servers.knowsReceipts = (origin) => origin !== ARENA;
    for (const id of ["ada", "bob"]) {
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(home, id, body);
      const there = await walk.cross(home, arena, `${id}@home.example`, body);
      await walk.cross(arena, gallery, `${id}@home.example`, there);
    }
    await eventually(async () => {
      servers.clock.advance(100);
      const all = (
        await Promise.all(["ada", "bob"].map((id) => home.custody.history.of(id)))
      ).flat();
      assert.equal(all.length, 4);
      assert.deepEqual(
        new Set(all.map(({ receipt }) => peekHeader(receipt)?.["alg"])),
        new Set(["EdDSA"]),
      );
    });
  });

  it("are countersigned one by one for a home that would not read that", async () => {
    servers.knowsReceipts = (origin) => origin !== HOME;
    for (const id of ["ada", "bob"]) {
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(home, id, body);
      await walk.cross(home, arena, `${id}@home.example`, body);
    }
    await eventually(async () => {
      servers.clock.advance(100);
      const filedAtHome = (await receiptsAt(home, ["ada", "bob"])).flatMap(
        ({ countersignatures }) => countersignatures.map((word) => peekHeader(word)?.["alg"]),
      );
      assert.deepEqual(filedAtHome, ["EdDSA", "EdDSA"]);
    });
  });

  it("are asked for again while home does not answer, or has not heard of the crossing", async () => {
    let failures = 0;
    servers.refuses = (path) => {
      if (path !== "/custody/receipts" || failures >= 2) return undefined;
      failures += 1;
      return failures === 1 ? "ERR_FED_UNAVAILABLE" : "ERR_FED_TRANSFER_UNKNOWN";
    };
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    const session = arena.custody.sessions.get("ada@home.example");
    assert.ok(session !== undefined);
    let receipt: string | undefined;
    void session.receipt.then((given) => {
      receipt = given;
    });
    await eventually(() => {
      servers.clock.advance(100);
      assert.equal(failures, 2);
    });
    assert.equal(receipt, undefined);
    await eventually(async () => {
      servers.clock.advance(1_000);
      assert.deepEqual((await filed(arena)).by.length, 1);
    });
    assert.equal(receipt, (await arena.custody.history.find(TRANSFER, HOME))?.receipt);
  });

  it("are given up after a while, which an operator is told", async () => {
    servers.refuses = (path) => (path === "/custody/receipts" ? "ERR_FED_UNAVAILABLE" : undefined);
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    let isOver = false;
    void arena.custody.sessions.get("ada@home.example")?.receipt.then((receipt) => {
      isOver = receipt === undefined;
    });
    await eventually(() => {
      servers.clock.advance(1_000);
      assert.match(arena.said.join("\n"), /home\.example has not given the receipts of 1 cross/u);
    });
    assert.ok(isOver);
    assert.equal(servers.calls.filter(({ path }) => path === "/custody/receipts").length, 4);
  });

  it("are asked for when a server stops, and not after that", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    const stopped = arena.custody.drain(5_000);
    await eventually(async () => {
      servers.clock.advance(10);
      assert.equal((await arena.custody.history.ofTransfer(TRANSFER)).length, 1);
    });
    await stopped;
    arena.custody.stop();
    const before = servers.calls.length;
    servers.clock.advance(100_000);
    assert.equal(servers.calls.filter(({ path }) => path === "/custody/receipts").length, 1);
    assert.ok(servers.calls.length >= before);
  });

  it("hold up a stop for a second at most where their home hangs", async () => {
    servers.hang = (path) => path === "/custody/receipts";
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    const since = servers.clock.now();
    let isOver = false;
    const stopped = arena.custody.drain(60_000).then((left) => {
      isOver = true;
      return left;
    });
    await eventually(() => {
      if (!isOver) servers.clock.advance(100);
      assert.ok(isOver);
    });
    assert.equal(await stopped, 0);
    assert.ok(servers.clock.now() - since <= 2_000);
  });

  it("are asked for one by one where a home has lost what its descriptor names", async () => {
    servers.refuses = (path) => (path === "/custody/receipts" ? "ERR_FED_NOT_FOUND" : undefined);
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    await eventually(async () => {
      assert.deepEqual(
        (await filed(arena)).by.map(({ by }) => by),
        [ARENA],
      );
    });
  });

  it("are kept where such a home does not read a word under many, either", async () => {
    servers.refuses = (path, body) => {
      if (path === "/custody/receipts") return "ERR_FED_NOT_FOUND";
      const { countersignature } = body as { countersignature?: string };
      return path === "/custody/receipt" && countersignature !== undefined
        ? "ERR_FED_SIGNATURE_INVALID"
        : undefined;
    };
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    await eventually(async () => {
      assert.deepEqual(
        (await filed(arena)).by.map(({ by }) => by),
        [ARENA],
      );
    });
    // What home does not take is not asked for for ever.
    const asked = (): number =>
      servers.calls.filter(({ path }) => path.startsWith("/custody/receipt")).length;
    await eventually(() => {
      servers.clock.advance(1_000);
      assert.equal(asked(), 6);
    });
    servers.clock.advance(100_000);
    assert.equal(asked(), 6);
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
    servers.knowsReceipts = () => false;
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
    servers.knowsReceipts = () => false;
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
