import assert from "node:assert/strict";
import { peekPayload } from "../../src/identity/jws.ts";
import { digestOfState, issueCountersignature, issueReceipt } from "../../src/identity/receipt.ts";
import { type CustodyServer, CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { Walk } from "../support/walk.ts";
import { eventually } from "../support/eventually.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";
const MALLORY = "https://mallory.example";
const GALLERY = "https://gallery.example";
const TRANSFER = "11111111-2222-4333-8444-555555555555";

describe("a hostile peer and others' receipts", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let mallory: CustodyServer;
  let walk: Walk;

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena, mallory] = [servers.add(HOME), servers.add(ARENA), servers.add(MALLORY)];
    servers.add(GALLERY);
    walk = new Walk();
  });

  const filed = async (at: CustodyServer) =>
    [await at.custody.history.ofTransfer(TRANSFER)].flat().filter((each) => each !== undefined);

  it("chooses the transfer id of another's crossing: its record stays, beside its own", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    await eventually(async () => {
      assert.equal((await filed(arena))[0]?.from, HOME);
    });
    const evil = bodyThatCarries({ gold: 666 });
    await walk.login(mallory, "eve", evil);
    await walk.cross(mallory, arena, "eve@mallory.example", evil, TRANSFER.toUpperCase());
    await eventually(async () => {
      const issuers = (await filed(arena)).map(({ receipt }) => peekPayload(receipt)?.["iss"]);
      assert.deepEqual(issuers.toSorted(), [HOME, MALLORY]);
    });
  });

  it("claims again after a renewal: the receipt of what it was given is not written over", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, "ada@home.example", body, TRANSFER);
    const issued = async (): Promise<string | undefined> => (await filed(home))[0]?.receipt;
    const first = await issued();
    assert.ok(first !== undefined);
    const renewal = { players: [{ player: "ada@home.example", epoch: 1, state: { gold: 0 } }] };
    assert.ok((await home.custody.answer(MALLORY, "renew", renewal, 1)).ok);
    const again = await home.custody.answer(MALLORY, "claim", { transferId: TRANSFER }, 2);
    assert.ok(again.ok);
    assert.equal((again.body as { receipt: string }).receipt, first);
    assert.equal(await issued(), first);
  });

  for (const [what, forge] of [
    ["rubbish", () => "a.b.c"],
    ["a receipt of another crossing", (other: string) => other],
    ["a receipt whose digest it has changed", (_: string, own: string) => `${own.slice(0, -2)}AA`],
  ] as const) {
    it(`answers a claim with ${what}: it is not filed, and the player plays`, async () => {
      servers.knowsReceipts = () => false;
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(mallory, "bob", body);
      await walk.cross(mallory, arena, "bob@mallory.example", body);
      const former = servers.calls.length;
      assert.ok(former > 0);
      const other = await mallory.custody.history.of("bob");
      const evil = bodyThatCarries({ gold: 1 });
      await walk.login(mallory, "eve", evil);
      servers.tamper = (path, answer) =>
        path === "/custody/claim"
          ? {
              ...(answer as object),
              receipt: forge(other[0]?.receipt ?? "", (answer as { receipt: string }).receipt),
            }
          : path === "/custody/receipt"
            ? undefined
            : answer;
      await walk.cross(mallory, arena, "eve@mallory.example", evil, TRANSFER);
      assert.ok(arena.custody.sessions.get("eve@mallory.example") !== undefined);
      // It is looked at when records are written, and not while the player arrives.
      await new Promise(setImmediate);
      assert.doesNotMatch(arena.said.join("\n"), /does not verify/u);
      await eventually(() => {
        servers.clock.advance(100);
        assert.match(arena.said.join("\n"), /receipt .*mallory\.example.* does not verify/u);
      });
      assert.deepEqual(await filed(arena), []);
    });
  }

  /** What Mallory, Eve's home, makes of what it is asked for, knowing the receipt of another crossing. */
  interface Answer {
    receipts: Record<string, unknown>[];
    refused: unknown[];
  }
  for (const [what, forge] of [
    ["rubbish", ({ receipts }: Answer) => ({ receipts: [{ ...receipts[0], receipt: "a.b.c" }] })],
    [
      "the receipt of another crossing",
      ({ receipts }: Answer, other: string) => ({ receipts: [{ ...receipts[0], receipt: other }] }),
    ],
    [
      "another receipt of the same tree",
      ({ receipts }: Answer) => ({
        receipts: receipts.map((each, index) => ({
          ...each,
          receipt: receipts[(index + 1) % receipts.length]?.["receipt"],
        })),
      }),
    ],
    [
      "a signature that it has changed",
      ({ receipts }: Answer) => ({
        receipts: receipts.map((each) => ({
          ...each,
          receipt: `${String(each["receipt"]).slice(0, -2)}AA`,
        })),
      }),
    ],
  ] as const) {
    it(`answers with ${what} when it is asked for many: they are not filed, and the players play`, async () => {
      const former = bodyThatCarries({ gold: 1 });
      await walk.login(mallory, "bob", former);
      await walk.cross(mallory, arena, "bob@mallory.example", former);
      await arena.custody.history.flush();
      const [other] = await mallory.custody.history.of("bob");
      servers.tamper = (path, answer) =>
        path === "/custody/receipts"
          ? { refused: [], ...forge(answer as Answer, other?.receipt ?? "") }
          : answer;
      for (const [id, transfer] of [
        ["eve", TRANSFER],
        ["mal", TRANSFER.replace("1", "2")],
      ] as const) {
        const body = bodyThatCarries({ gold: 1 });
        await walk.login(mallory, id, body);
        await walk.cross(mallory, arena, `${id}@mallory.example`, body, transfer);
      }
      await eventually(() => {
        servers.clock.advance(100);
        assert.match(arena.said.join("\n"), /receipt .*mallory\.example.* does not verify/u);
      });
      assert.deepEqual(await filed(arena), []);
      for (const id of ["eve", "mal"]) {
        const session = arena.custody.sessions.get(`${id}@mallory.example`);
        assert.ok(session !== undefined);
      }
    });
  }

  it("answers with a receipt of the same decision under another transfer's id: it is not filed", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(mallory, "eve", body);
    const claims = {
      iss: MALLORY,
      xfer: TRANSFER.replace("1", "9"),
      player: "eve@mallory.example",
    };
    const receipt = await issueReceipt(
      {
        ...claims,
        epoch: 1,
        from: MALLORY,
        to: ARENA,
        iat: Math.floor(servers.clock.now() / 1000),
      },
      servers.keyOf(MALLORY),
    );
    servers.tamper = (path, answer) =>
      path === "/custody/receipts"
        ? { receipts: [{ transferId: TRANSFER, receipt }], refused: [] }
        : answer;
    await walk.cross(mallory, arena, "eve@mallory.example", body, TRANSFER);
    await eventually(() => {
      servers.clock.advance(100);
      assert.match(
        arena.said.join("\n"),
        /does not verify and is not kept: it is of another cross/u,
      );
    });
    assert.deepEqual(await filed(arena), []);
  });

  for (const [what, answer] of [
    ["nothing", { receipts: [], refused: [] }],
    ["receipts of crossings that it was not asked for", undefined],
    ["something of another form", { receipts: "all of them" }],
    ["a code that nobody knows", { refused: [{ transferId: TRANSFER, code: "ERR_FED_PERHAPS" }] }],
  ] as const) {
    it(`answers with ${what} when it is asked for many: it is asked four times, and the player plays`, async () => {
      servers.tamper = (path, body) => {
        if (path !== "/custody/receipts") return body;
        if (answer !== undefined) return { receipts: [], refused: [], ...answer };
        const { receipts } = body as Answer;
        return {
          receipts: receipts.map((each) => ({ ...each, transferId: TRANSFER.replace("1", "9") })),
          refused: [],
        };
      };
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(mallory, "eve", body);
      await walk.cross(mallory, arena, "eve@mallory.example", body, TRANSFER);
      await eventually(() => {
        servers.clock.advance(1_000);
        assert.match(arena.said.join("\n"), /mallory\.example has not given the receipts of 1 /u);
      });
      assert.equal(servers.calls.filter(({ path }) => path === "/custody/receipts").length, 4);
      assert.deepEqual(await filed(arena), []);
    });
  }

  describe("asks for many", () => {
    const OTHER = TRANSFER.replace("1", "2");

    beforeEach(async () => {
      servers.refuses = (path) =>
        path === "/custody/receipts" ? "ERR_FED_UNAVAILABLE" : undefined;
      for (const [id, transfer, to] of [
        ["ada", TRANSFER, mallory],
        ["bob", OTHER, mallory],
        ["cleo", TRANSFER.replace("1", "3"), arena],
      ] as const) {
        const body = bodyThatCarries({ gold: 1 });
        await walk.login(home, id, body);
        await walk.cross(home, to, `${id}@home.example`, body, transfer);
      }
    });

    const word = (of: string, by = MALLORY, changed: object = {}): Promise<string> => {
      const player = `${of === TRANSFER ? "ada" : "bob"}@home.example`;
      const claims = { home: HOME, xfer: of, player, epoch: 1, from: HOME, to: MALLORY };
      const iat = Math.floor(servers.clock.now() / 1000);
      const all = { ...claims, iat, digest: digestOfState({ gold: 1 }), ...changed };
      return issueCountersignature({ ...all, iss: by }, servers.keyOf(by));
    };

    const ask = async (crossings: unknown): Promise<Answer> => {
      const answer = await home.custody.answer(MALLORY, "receipts", { crossings }, 0);
      assert.ok(answer.ok, JSON.stringify(answer));
      return answer.body as Answer;
    };

    it("and hears nothing of crossings that it is no end of, or that are none", async () => {
      const { receipts, refused } = await ask([
        { transferId: TRANSFER.replace("1", "3") },
        { transferId: TRANSFER.replace("1", "8") },
        { transferId: TRANSFER },
      ]);
      assert.deepEqual(
        receipts.map(({ transferId }) => transferId),
        [TRANSFER],
      );
      assert.deepEqual(refused, [
        { transferId: TRANSFER.replace("1", "3"), code: "ERR_FED_NOT_DESTINATION" },
        { transferId: TRANSFER.replace("1", "8"), code: "ERR_FED_TRANSFER_UNKNOWN" },
      ]);
    });

    it("with a signature that does not verify: none after it is looked at, and none is filed", async () => {
      const [bad, good] = [await word(TRANSFER), await word(OTHER)];
      const { refused } = await ask([
        { transferId: TRANSFER, countersignature: `${bad.slice(0, -2)}AA` },
        { transferId: OTHER, countersignature: good },
      ]);
      assert.deepEqual(refused, [
        { transferId: TRANSFER, code: "ERR_FED_SIGNATURE_INVALID" },
        { transferId: OTHER, code: "ERR_FED_UNAVAILABLE" },
      ]);
      for (const transferId of [TRANSFER, OTHER]) {
        const [crossing] = await home.custody.history.ofTransfer(transferId);
        assert.deepEqual(crossing?.countersignatures, []);
      }
    });

    it("with words of another crossing, or another's: they cost nothing, and the rest is filed", async () => {
      const { receipts, refused } = await ask([
        { transferId: TRANSFER, countersignature: await word(TRANSFER, MALLORY, { epoch: 9 }) },
        { transferId: OTHER, countersignature: await word(OTHER) },
      ]);
      assert.deepEqual(refused, [{ transferId: TRANSFER, code: "ERR_FED_SIGNATURE_INVALID" }]);
      assert.equal((receipts[0]?.["countersignatures"] as unknown[]).length, 1);
    });

    for (const isFiled of [false, true]) {
      it(`twice in one call about one crossing, ${isFiled ? "" : "not "}filed yet: its first word stays`, async () => {
        if (isFiled) await home.custody.history.flush();
        const [first, second] = await Promise.all([
          word(TRANSFER),
          word(TRANSFER, MALLORY, { digest: "x" }),
        ]);
        await ask([
          { transferId: TRANSFER, countersignature: first },
          { transferId: TRANSFER.toUpperCase(), countersignature: second },
        ]);
        await ask([{ transferId: TRANSFER, countersignature: second }]);
        const [crossing] = await home.custody.history.ofTransfer(TRANSFER);
        assert.deepEqual(crossing?.countersignatures, [first]);
        const beside = isFiled ? { [MALLORY]: first } : {};
        assert.deepEqual(await home.custody.history.words(TRANSFER, HOME), beside);
      });
    }

    it("with another word after home has started again: its first one stays", async () => {
      const [first, second] = await Promise.all([
        word(TRANSFER),
        word(TRANSFER, MALLORY, { digest: "x" }),
      ]);
      await ask([{ transferId: TRANSFER, countersignature: first }]);
      home = servers.restart(HOME);
      const { receipts } = await ask([{ transferId: TRANSFER, countersignature: second }]);
      assert.deepEqual(receipts[0]?.["countersignatures"], [first]);
      await home.custody.history.flush();
      assert.deepEqual(await home.custody.history.words(TRANSFER, HOME), {});
    });

    for (const [what, crossings] of [
      ["none", []],
      ["33", Array.from({ length: 33 }, () => ({ transferId: TRANSFER }))],
      ["what are no ids", [{ transferId: "../../x" }]],
      ["more than is asked for", [{ transferId: TRANSFER, epoch: 1 }]],
    ] as const) {
      it(`and is refused ${what}`, async () => {
        const answer = await home.custody.answer(MALLORY, "receipts", { crossings }, 0);
        assert.ok(!answer.ok && answer.code === "ERR_FED_MALFORMED");
      });
    }
  });
});
