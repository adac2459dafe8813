/** `players find|late|damaged|forget`: who an account is, what came too late, rows that cannot be read. */
import { LateReturns } from "../custody/home/late-returns.ts";
import { forgetDamagedLedgerRow, hasLedgerRow } from "../custody/home/ledger-rows.ts";
import { isAccountId } from "../identity/local-id.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { damagedRows, forgetDamaged } from "../rows/rows.ts";
import { AccountNames } from "../runtime/account-names.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";

/** Every late return of this home's players, or of one of them. */
export async function listLate(
  { store, logger }: Deployment,
  player: string | undefined,
): Promise<CommandResult> {
  const late = [];
  const book = new LateReturns({ store, clock: systemClock, logger });
  for await (const each of book.list(player?.split("@")[0])) late.push(each);
  const rows = late.map(({ at, player: who, from, epoch, state }) => [
    when(at),
    who,
    from,
    String(epoch),
    `${Buffer.byteLength(JSON.stringify(state))} B`,
  ]);
  return {
    text:
      rows.length === 0
        ? "Nothing came back too late (what does is kept for 90 days)."
        : `${table(["when", "player", "from", "epoch", "state"], rows)}\n\nNothing of it is in use: --json shows what each carried, and what home would have kept of it.`,
    json: { late },
  };
}

/** The player that an account of the host's own is, by the account's id. */
export async function findPlayer({ store }: Deployment, account: string): Promise<CommandResult> {
  if (!isAccountId(account)) {
    throw new CommandError("the id of an account is not empty", EXIT.usage);
  }
  const localId = await new AccountNames({ store, random: systemRandom }).localId(account);
  const identity = await storeIdentity(store);
  const player = identity === undefined ? localId : `${localId}@${new URL(identity.origin).host}`;
  const known = await hasLedgerRow(store, localId);
  return {
    text: known ? player : `${player} (has never logged in)`,
    json: { player, known },
  };
}

/** Every row of the store that was set aside. */
export async function listDamaged({ store }: Deployment): Promise<CommandResult> {
  const damaged = [];
  for await (const each of damagedRows(store)) damaged.push(each);
  return {
    text:
      damaged.length === 0
        ? "No row is damaged (a running server finds them when it reads them)."
        : `${table(
            ["row", "text"],
            damaged.map(({ key, text }) => [key, `${Buffer.byteLength(text)} B`]),
          )}\n\n--json shows the texts. A player's row that is put back from a backup is in use at once; players forget <player> lets it begin anew.`,
    json: { damaged },
  };
}

/** Lets a player begin anew whose row is damaged; the damaged text stays. */
export async function forgetPlayer(deployment: Deployment, player: string): Promise<CommandResult> {
  deployment.mayDecide();
  const { store } = deployment;
  const localId = player.split("@")[0] ?? "";
  const forgotten: string[] = [];
  if (await forgetDamagedLedgerRow(store, localId)) forgotten.push(`custody/${localId}`);
  if (await forgetDamaged(store, `visitor/${player}`)) forgotten.push(`visitor/${player}`);
  if (forgotten.length === 0) {
    throw new CommandError(`no damaged row of ${player} is here: see players damaged`);
  }
  await deployment.audit("player-forgotten", player);
  return {
    text: `${player} begins anew. What was left of it stays with players damaged.`,
    json: { forgotten },
  };
}
