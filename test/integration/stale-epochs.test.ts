import assert from "node:assert/strict";
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import { operatorKey, signedPost } from "../support/operator.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

describe("custody calls that come too late or from the wrong server", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let home: ServerProcess;
  let holder: ServerProcess;
  let third: ServerProcess;

  before(async () => {
    [home, holder, third] = (await servers.rooms("home", "holder", "third")) as [
      ServerProcess,
      ServerProcess,
      ServerProcess,
    ];
  });
  after(() => servers.stop());

  for (const [when, difference] of [
    ["of a former epoch", -1],
    ["of an epoch yet to come", 1],
  ] as const) {
    for (const call of ["depart", "cancel", "return"] as const) {
      it(`refuses the holder's ${call} ${when}`, async () => {
        const { visitor, player, epoch } = await held();
        const before = decided(player);
        refused(
          await custody(holder, home, call, bodyOf(call, player, epoch + difference)),
          409,
          "ERR_FED_STALE_CUSTODY",
        );
        assert.deepEqual(decided(player), before);
        await playsOn(visitor, player);
      });
    }

    it(`lists the holder's renewal ${when} as lost, and takes no state from it`, async () => {
      const { visitor, player, epoch } = await held();
      const before = decided(player);
      const stale = { player, epoch: epoch + difference };
      const { status, body } = await custody(holder, home, "renew", {
        players: [{ ...stale, state: { note: "forged" } }],
      });
      assert.equal(status, 200);
      assert.deepEqual(body["lost"], [stale]);
      assert.deepEqual(decided(player), before);
      await playsOn(visitor, player);
    });

    it(`refuses home's revoke ${when}: the session goes on`, async () => {
      const { visitor, player, epoch } = await held();
      refused(
        await custody(home, holder, "revoke", { player, epoch: epoch + difference }),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      await playsOn(visitor, player);
    });
  }

  for (const call of ["depart", "cancel", "return"] as const) {
    it(`refuses a ${call} for a player home has never seen`, async () => {
      const player = `nobody@${home.authority}`;
      refused(
        await custody(holder, home, call, bodyOf(call, player, 0)),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      assert.equal(ledgerRow(home, player), undefined);
    });

    it(`refuses a ${call} for a player of another home`, async () => {
      const { visitor, player, epoch } = await held();
      refused(
        await custody(holder, third, call, bodyOf(call, player, epoch)),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      await playsOn(visitor, player);
    });

    it(`refuses a ${call} by a former holder, even of the epoch that counts`, async () => {
      const { visitor, player } = await held();
      await visitor.cross(`aether://${third.authority}/plain`);
      const before = decided(player);
      refused(
        await custody(holder, home, call, bodyOf(call, player, before.epoch!)),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      assert.deepEqual(decided(player), before);
      await playsOn(visitor, player, third);
    });
  }

  it("refuses a revoke of a player that is not there", async () => {
    const player = `nobody@${home.authority}`;
    refused(
      await custody(home, holder, "revoke", { player, epoch: 0 }),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
  });

  it("refuses a revoke by another server than home: the session goes on", async () => {
    const { visitor, player, epoch } = await held();
    refused(await custody(third, holder, "revoke", { player, epoch }), 403, "ERR_FED_NOT_HOME");
    await playsOn(visitor, player);
  });

  it("refuses a departed by another server than home: the player stays frozen and comes back", async () => {
    const { visitor, player, epoch } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    const { transferId } = transit;
    refused(
      await custody(third, holder, "departed", { transferId, player, epoch }),
      403,
      "ERR_FED_NOT_HOME",
    );
    await visitor.giveUp(transit);
    await playsOn(visitor, player);
  });

  it("refuses a departed by another server than home for a player that is not there", async () => {
    const player = `nobody@${home.authority}`;
    const transferId = crypto.randomUUID();
    refused(
      await custody(third, holder, "departed", { transferId, player, epoch: 0 }),
      403,
      "ERR_FED_NOT_HOME",
    );
  });

  it("lets nobody go for a departed of another transfer", async () => {
    const { visitor, player, epoch } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    const { status } = await custody(home, holder, "departed", {
      transferId: crypto.randomUUID(),
      player,
      epoch,
    });
    assert.equal(status, 200);
    await visitor.giveUp(transit);
    await playsOn(visitor, player);
  });

  it("refuses the source's own claim, and the destination's goes through", async () => {
    const { visitor, player } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    const { transferId } = transit;
    refused(await custody(holder, home, "claim", { transferId }), 403, "ERR_FED_NOT_DESTINATION");
    assert.equal(ledgerRow(home, player)?.holder, holder.origin);
    await visitor.arrive(transit);
    await playsOn(visitor, player, third);
  });

  it("refuses another server's claim of a transfer that was claimed", async () => {
    const { visitor, player } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    await visitor.arrive(transit);
    const { transferId } = transit;
    refused(await custody(holder, home, "claim", { transferId }), 403, "ERR_FED_NOT_DESTINATION");
    await playsOn(visitor, player, third);
  });

  it("refuses a claim after the cancel", async () => {
    const { visitor, player } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    await visitor.giveUp(transit);
    const { transferId } = transit;
    refused(await custody(third, home, "claim", { transferId }), 409, "ERR_FED_TRANSFER_CANCELLED");
    await playsOn(visitor, player);
  });

  it("refuses a claim repeated while the player is leaving again", async () => {
    const { visitor, player } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    await visitor.arrive(transit);
    const onwards = await visitor.transit(`aether://${holder.authority}/plain`);
    const { transferId } = transit;
    refused(await custody(third, home, "claim", { transferId }), 409, "ERR_FED_STALE_CUSTODY");
    await visitor.arrive(onwards);
    await playsOn(visitor, player);
  });

  it("refuses a claim repeated after the player has moved on", async () => {
    const { visitor, player } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    await visitor.arrive(transit);
    await visitor.cross(`aether://${holder.authority}/plain`);
    const { transferId } = transit;
    refused(await custody(third, home, "claim", { transferId }), 409, "ERR_FED_TRANSFER_UNKNOWN");
    await playsOn(visitor, player);
  });

  it("refuses a claim of a transfer nobody opened", async () => {
    refused(
      await custody(third, home, "claim", { transferId: crypto.randomUUID() }),
      409,
      "ERR_FED_TRANSFER_UNKNOWN",
    );
  });

  it("refuses a depart while another transfer is open", async () => {
    const { visitor, player, epoch } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    refused(
      await custody(holder, home, "depart", bodyOf("depart", player, epoch)),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
    await visitor.arrive(transit);
    await playsOn(visitor, player, third);
  });

  it("refuses a return while a transfer is open", async () => {
    const { visitor, player, epoch } = await held();
    const transit = await visitor.transit(`aether://${third.authority}/plain`);
    refused(
      await custody(holder, home, "return", bodyOf("return", player, epoch)),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
    await visitor.arrive(transit);
    await playsOn(visitor, player, third);
  });

  /** A player of `home` who is at `holder`. */
  async function held(): Promise<{ visitor: Visitor; player: string; epoch: number }> {
    const visitor = await Visitor.login(home);
    const player = await visitor.id();
    await visitor.cross(`aether://${holder.authority}/plain`);
    const { epoch } = ledgerRow(home, player)!;
    return { visitor, player, epoch };
  }

  /** What calls decide; renewals write beside it at any time. */
  function decided(player: string): Partial<LedgerRow> & { note: unknown } {
    const { state, stateSentAt: _any, ...row } = ledgerRow(home, player)!;
    return { ...row, note: (state as { note?: string } | undefined)?.note };
  }

  async function custody(
    from: ServerProcess,
    to: ServerProcess,
    call: string,
    body: unknown,
  ): Promise<Answer> {
    const signer = { origin: from.origin, key: await operatorKey(from) };
    return signedPost(signer, `${to.origin}/federation/custody/${call}`, body);
  }

  function bodyOf(call: "depart" | "cancel" | "return", player: string, epoch: number): object {
    const transferId = crypto.randomUUID();
    if (call === "depart") return { transferId, player, epoch, to: third.origin, world: "plain" };
    if (call === "cancel") return { transferId, player, epoch };
    return { player, epoch, state: { note: "forged" } };
  }

  function refused({ status, body }: Answer, expected: number, code: string): void {
    assert.deepEqual([status, body["code"]], [expected, code], JSON.stringify(body));
  }

  async function playsOn(visitor: Visitor, player: string, at = holder): Promise<void> {
    assert.equal(await visitor.id(), player);
    assert.equal(ledgerRow(home, player)?.holder, at.origin);
    await visitor.room.leave();
  }
});
