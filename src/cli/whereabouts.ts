/** `players where|visitors|recall`: where players are, as the store says, and calling one home. */
import { LedgerRows } from "../custody/home/ledger-rows.ts";
import type { LedgerRow } from "../custody/home/ledger-row.ts";
import { type VisitorRow, VisitorBook } from "../custody/holder/visitors.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { RECALL_PREFIX } from "../runtime/data-folder.ts";
import { knownMoves } from "../runtime/known-moves.ts";
import { readPulse } from "../runtime/pulse.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table } from "./output.ts";

const MOST_SHOWN = 500;
/** How long a running server is given to see the wish; it looks every second. */
const WISH_MILLISECONDS = 60_000;
const LOCAL_ID = /^[A-Za-z0-9_-]{1,64}$/u;

const PHASES: Readonly<Record<VisitorRow["held"]["phase"], string>> = {
  held: "plays here",
  frozen: "leaves: a departure is open",
  returning: "over here: waits for its home to take it back",
};

/** Where players of this home are that are not at home, and which visitors are here. */
export interface Whereabouts {
  readonly abroad: readonly LedgerRow[];
  readonly visitors: readonly VisitorRow[];
}

/** Reads every row that is under way, at most as many as there are players abroad, and visitors. */
export async function whereabouts(deployment: Deployment): Promise<Whereabouts> {
  const { store, logger } = deployment;
  const rows = await ledgerOf(deployment);
  const visitors: VisitorRow[] = [];
  for await (const row of new VisitorBook(store, logger).all()) visitors.push(row);
  const abroad: LedgerRow[] = [];
  const { origin = "" } = (await storeIdentity(store)) ?? {};
  for await (const row of rows.open()) if (row.holder !== origin) abroad.push(row);
  return { abroad, visitors };
}

/** Every visitor, and every player of this home who is abroad. */
export async function listVisitors(deployment: Deployment): Promise<CommandResult> {
  const { abroad, visitors } = await whereabouts(deployment);
  const home = await hostOf(deployment);
  const here = visitors.map((row) => [row.player, stayText(row)]);
  const away = abroad.map((row) => [`${row.localId}@${home}`, awayText(row)]);
  return {
    text: [
      here.length === 0 ? "No player of another home is here." : listed("visitor", here),
      "",
      away.length === 0 ? "No player of this home is abroad." : listed("player abroad", away),
    ].join("\n"),
    json: {
      visitors: visitors.map(({ player, home: at, held: { phase, epoch } }) => {
        return { player, home: at, phase, epoch };
      }),
      abroad: abroad.map((row) => awayJson(row, home)),
    },
  };
}

function listed(head: string, rows: readonly (readonly string[])[]): string {
  const shown = table([head, ""], rows.slice(0, MOST_SHOWN));
  const more = rows.length - MOST_SHOWN;
  return more > 0 ? `${shown}\n… and ${more} more: --json has all` : shown;
}

/** One player: at home here, abroad, or a visitor. */
export async function locatePlayer(deployment: Deployment, named: string): Promise<CommandResult> {
  const { store, logger } = deployment;
  const { localId, player, isOurs } = await playerNamed(deployment, named);
  if (!isOurs) {
    const visitor = await new VisitorBook(store, logger).get(player);
    if (visitor === undefined) {
      throw new CommandError(`${player} is not here, and its home is elsewhere: ask there`);
    }
    const { phase, epoch } = visitor.held;
    return {
      text: `${player} is a visitor: ${stayText(visitor)}.`,
      json: { player, where: "visiting", phase, epoch, adoptedAs: visitor.adopted?.as },
    };
  }
  const row = await ledgerRow(deployment, localId);
  if (row === undefined) throw new CommandError(`${player} has never logged in here`);
  const origin = (await storeIdentity(store))?.origin;
  if (row.holder !== origin) {
    return {
      text: `${player} is ${awayText(row)}.`,
      json: { where: "abroad", ...awayJson(row, await hostOf(deployment)) },
    };
  }
  const leaving = row.transfer === undefined ? "" : `, on its way to ${row.transfer.to}`;
  return {
    text: `${player} is at home${leaving}.`,
    json: { player, where: "home", epoch: row.epoch, transfer: row.transfer ?? null },
  };
}

/** Asks the running server to call a player home; a server that does not run calls nobody. */
export async function recallPlayer(deployment: Deployment, named: string): Promise<CommandResult> {
  const { store } = deployment;
  const { localId, player, isOurs } = await playerNamed(deployment, named);
  if (!isOurs) {
    throw new CommandError(
      `${player} has its home elsewhere: only that can call it back`,
      EXIT.usage,
    );
  }
  const row = await ledgerRow(deployment, localId);
  if (row === undefined) throw new CommandError(`${player} has never logged in here`);
  if (row.holder === (await storeIdentity(store))?.origin) {
    throw new CommandError(`${player} is at home`);
  }
  if ((await readPulse(store, systemClock.now()))?.isRunning !== true) {
    throw new CommandError(
      `this server does not run: start it, then call ${player} back; it takes it back by itself when it logs in`,
    );
  }
  deployment.mayDecide();
  await store.set(RECALL_PREFIX + localId, "1", WISH_MILLISECONDS);
  await deployment.audit("player-recalled", player);
  return {
    text: `${player} is called back from ${row.holder} within a second. If that does not give it back, it is free when its last lease is over: see players where ${player}`,
    json: { player, from: row.holder },
  };
}

function stayText({ held, adopted }: VisitorRow): string {
  const kept = adopted === undefined ? "" : `; kept here as ${adopted.as}`;
  return `${PHASES[held.phase]}${kept}`;
}

function awayText({ holder, transfer, recalled }: LedgerRow): string {
  const back = recalled === true ? ", called back" : "";
  const on = transfer === undefined ? "" : `, on its way to ${transfer.to}`;
  return `at ${holder}${back}${on}`;
}

function awayJson({ localId, holder, epoch, transfer, recalled }: LedgerRow, home: string) {
  return {
    ...{ player: `${localId}@${home}`, holder, epoch },
    ...{ recalled: recalled === true, transfer: transfer ?? null },
  };
}

async function hostOf({ store }: Deployment): Promise<string> {
  const identity = await storeIdentity(store);
  return identity === undefined ? "" : new URL(identity.origin).host;
}

async function ledgerRow(deployment: Deployment, localId: string): Promise<LedgerRow | undefined> {
  return (await ledgerOf(deployment)).get(localId);
}

/** The rows of this home's players, by the names that servers have now. */
async function ledgerOf({ store, registry, logger }: Deployment): Promise<LedgerRows> {
  const { origin = "", former = [] } = (await storeIdentity(store)) ?? {};
  const moves = knownMoves(origin, former, registry);
  return new LedgerRows({ store, origin, random: systemRandom, logger, moves });
}

/** `<local id>`, of this home, or `<local id>@<home>`. */
async function playerNamed(
  deployment: Deployment,
  named: string,
): Promise<{ readonly localId: string; readonly player: string; readonly isOurs: boolean }> {
  const [localId = "", home, ...rest] = named.split("@");
  if (!LOCAL_ID.test(localId) || home === "" || rest.length > 0) {
    throw new CommandError(
      `"${named}" is no player, which is <local id>@<home>; of an account's id, players find tells it`,
      EXIT.usage,
    );
  }
  const own = await hostOf(deployment);
  const { former = [] } = (await storeIdentity(deployment.store)) ?? {};
  const wasOwn = former.some((origin) => new URL(origin).host === home);
  return {
    localId,
    player: `${localId}@${home ?? own}`,
    isOurs: home === undefined || home === own || wasOwn,
  };
}
