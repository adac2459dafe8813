import assert from "node:assert/strict";
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import { assertRefused, callAs } from "../support/operator.ts";
import { rooms } from "../support/running.ts";
import { portal } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { type Transit, Visitor } from "../support/visitor.ts";

describe("custody calls that come too late or from the wrong server", function () {
  this.timeout(60_000);
  const at = rooms("home", "holder", "third");

  for (const [when, difference] of [
    ["of a former epoch", -1],
    ["of an epoch yet to come", 1],
  ] as const) {
    for (const call of ["depart", "cancel", "return"] as const) {
      it(`refuses the holder's ${call} ${when}`, async () => {
        const { visitor, player, epoch } = await held();
        const before = decided(player);
        assertRefused(
          await callAs(
            at.holder,
            at.home,
            `/custody/${call}`,
            bodyOf(call, player, epoch + difference),
          ),
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
      const { status, body } = await callAs(at.holder, at.home, "/custody/renew", {
        players: [{ ...stale, state: { note: "forged" } }],
      });
      assert.equal(status, 200);
      assert.deepEqual(body["lost"], [stale]);
      assert.deepEqual(decided(player), before);
      await playsOn(visitor, player);
    });

    it(`refuses home's revoke ${when}: the session goes on`, async () => {
      const { visitor, player, epoch } = await held();
      assertRefused(
        await callAs(at.home, at.holder, "/custody/revoke", { player, epoch: epoch + difference }),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      await playsOn(visitor, player);
    });
  }

  for (const call of ["depart", "cancel", "return"] as const) {
    it(`refuses a ${call} for a player home has never seen`, async () => {
      const player = `nobody@${at.home.authority}`;
      assertRefused(
        await callAs(at.holder, at.home, `/custody/${call}`, bodyOf(call, player, 0)),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      assert.equal(ledgerRow(at.home, player), undefined);
    });

    it(`refuses a ${call} for a player of another home`, async () => {
      const { visitor, player, epoch } = await held();
      assertRefused(
        await callAs(at.holder, at.third, `/custody/${call}`, bodyOf(call, player, epoch)),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      await playsOn(visitor, player);
    });

    it(`refuses a ${call} by a former holder, even of the epoch that counts`, async () => {
      const { visitor, player } = await held();
      await visitor.cross(portal(at.third));
      const before = decided(player);
      assertRefused(
        await callAs(at.holder, at.home, `/custody/${call}`, bodyOf(call, player, before.epoch!)),
        409,
        "ERR_FED_STALE_CUSTODY",
      );
      assert.deepEqual(decided(player), before);
      await playsOn(visitor, player, at.third);
    });
  }

  it("refuses a revoke of a player that is not there", async () => {
    const player = `nobody@${at.home.authority}`;
    assertRefused(
      await callAs(at.home, at.holder, "/custody/revoke", { player, epoch: 0 }),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
  });

  it("refuses a revoke by another server than home: the session goes on", async () => {
    const { visitor, player, epoch } = await held();
    assertRefused(
      await callAs(at.third, at.holder, "/custody/revoke", { player, epoch }),
      403,
      "ERR_FED_NOT_HOME",
    );
    await playsOn(visitor, player);
  });

  it("refuses a departed by another server than home: the player stays frozen and comes back", async () => {
    const { visitor, player, epoch, transit, transferId } = await leaving();
    assertRefused(
      await callAs(at.third, at.holder, "/custody/departed", { transferId, player, epoch }),
      403,
      "ERR_FED_NOT_HOME",
    );
    await visitor.giveUp(transit);
    await playsOn(visitor, player);
  });

  it("refuses a departed by another server than home for a player that is not there", async () => {
    const player = `nobody@${at.home.authority}`;
    const transferId = crypto.randomUUID();
    assertRefused(
      await callAs(at.third, at.holder, "/custody/departed", { transferId, player, epoch: 0 }),
      403,
      "ERR_FED_NOT_HOME",
    );
  });

  it("lets nobody go for a departed of another transfer", async () => {
    const { visitor, player, epoch, transit } = await leaving();
    const { status } = await callAs(at.home, at.holder, "/custody/departed", {
      transferId: crypto.randomUUID(),
      player,
      epoch,
    });
    assert.equal(status, 200);
    await visitor.giveUp(transit);
    await playsOn(visitor, player);
  });

  it("refuses the source's own claim, and the destination's goes through", async () => {
    const { visitor, player, transit, transferId } = await leaving();
    assertRefused(
      await callAs(at.holder, at.home, "/custody/claim", { transferId }),
      403,
      "ERR_FED_NOT_DESTINATION",
    );
    assert.equal(ledgerRow(at.home, player)?.holder, at.holder.origin);
    await visitor.arrive(transit);
    await playsOn(visitor, player, at.third);
  });

  it("refuses another server's claim of a transfer that was claimed", async () => {
    const { visitor, player, transit, transferId } = await leaving();
    await visitor.arrive(transit);
    assertRefused(
      await callAs(at.holder, at.home, "/custody/claim", { transferId }),
      403,
      "ERR_FED_NOT_DESTINATION",
    );
    await playsOn(visitor, player, at.third);
  });

  it("refuses a claim after the cancel", async () => {
    const { visitor, player, transit, transferId } = await leaving();
    await visitor.giveUp(transit);
    assertRefused(
      await callAs(at.third, at.home, "/custody/claim", { transferId }),
      409,
      "ERR_FED_TRANSFER_CANCELLED",
    );
    await playsOn(visitor, player);
  });

  it("refuses a claim repeated while the player is leaving again", async () => {
    const { visitor, player, transit, transferId } = await leaving();
    await visitor.arrive(transit);
    const onwards = await visitor.transit(portal(at.holder));
    assertRefused(
      await callAs(at.third, at.home, "/custody/claim", { transferId }),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
    await visitor.arrive(onwards);
    await playsOn(visitor, player);
  });

  it("refuses a claim repeated after the player has moved on", async () => {
    const { visitor, player, transit, transferId } = await leaving();
    await visitor.arrive(transit);
    await visitor.cross(portal(at.holder));
    assertRefused(
      await callAs(at.third, at.home, "/custody/claim", { transferId }),
      409,
      "ERR_FED_TRANSFER_UNKNOWN",
    );
    await playsOn(visitor, player);
  });

  it("refuses a claim of a transfer nobody opened", async () => {
    assertRefused(
      await callAs(at.third, at.home, "/custody/claim", { transferId: crypto.randomUUID() }),
      409,
      "ERR_FED_TRANSFER_UNKNOWN",
    );
  });

  it("refuses a depart while another transfer is open", async () => {
    const { visitor, player, epoch, transit } = await leaving();
    assertRefused(
      await callAs(at.holder, at.home, "/custody/depart", bodyOf("depart", player, epoch)),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
    await visitor.arrive(transit);
    await playsOn(visitor, player, at.third);
  });

  it("refuses a return while a transfer is open", async () => {
    const { visitor, player, epoch, transit } = await leaving();
    assertRefused(
      await callAs(at.holder, at.home, "/custody/return", bodyOf("return", player, epoch)),
      409,
      "ERR_FED_STALE_CUSTODY",
    );
    await visitor.arrive(transit);
    await playsOn(visitor, player, at.third);
  });

  /** A player of `home` who is at `holder`. */
  async function held(): Promise<{ visitor: Visitor; player: string; epoch: number }> {
    const visitor = await Visitor.login(at.home);
    const player = await visitor.id();
    await visitor.cross(portal(at.holder));
    const { epoch } = ledgerRow(at.home, player)!;
    return { visitor, player, epoch };
  }

  /** A player of `home` whom `holder` has sent to `third`. */
  async function leaving(): Promise<
    Awaited<ReturnType<typeof held>> & { transit: Transit; transferId: string }
  > {
    const there = await held();
    const transit = await there.visitor.transit(portal(at.third));
    return { ...there, transit, transferId: transit.transferId };
  }

  /** What calls decide; renewals write beside it at any time. */
  function decided(player: string): Partial<LedgerRow> & { note: unknown } {
    const { state, stateSentAt: _any, ...row } = ledgerRow(at.home, player)!;
    return { ...row, note: (state as { note?: string } | undefined)?.note };
  }

  function bodyOf(call: "depart" | "cancel" | "return", player: string, epoch: number): object {
    const transferId = crypto.randomUUID();
    if (call === "depart")
      return { transferId, player, epoch, to: at.third.origin, world: "plain" };
    if (call === "cancel") return { transferId, player, epoch };
    return { player, epoch, state: { note: "forged" } };
  }

  async function playsOn(visitor: Visitor, player: string, by = at.holder): Promise<void> {
    assert.equal(await visitor.id(), player);
    assert.equal(ledgerRow(at.home, player)?.holder, by.origin);
    await visitor.leave();
  }
});
