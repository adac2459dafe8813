/** `players orphans|adopt`: visitors whose home is gone, and keeping them as players of this server. */
import { join } from "node:path";
import { SILENT_DAYS } from "../health/silence.ts";
import { normalizeOrigin } from "../identity/origin.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { DATA_FILES } from "../runtime/data-folder.ts";
import { knownMoves } from "../runtime/known-moves.ts";
import { type Adoption, type Orphan, Orphans } from "../runtime/orphans.ts";
import { readPulse } from "../runtime/pulse.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { lockFolder } from "../storage/file-lock.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";

const ALONE =
  "None of your other peers answers either: see first whether this server's own network is well.";

/** Every visitor whose home has been silent for so many days. */
export async function listOrphans(
  deployment: Deployment,
  afterDays: string | undefined,
): Promise<CommandResult> {
  const orphans = await orphansOf(deployment, afterDays);
  const found = await orphans.list();
  const rows = found.map((each) => [
    each.player,
    when(Math.floor(each.silentSince / 1000)),
    each.stateBytes === undefined ? "nothing" : `${each.stateBytes} B`,
    each.adoptedAs === undefined ? (each.why ?? "") : `kept as ${each.adoptedAs}`,
  ]);
  const isAlone = found[0] !== undefined && (await orphans.isAlone(found[0].home));
  return {
    text:
      found.length === 0
        ? "No visitor's home is gone."
        : [
            table(["visitor", "home silent since", "carries", ""], rows),
            ...(isAlone ? ["", ALONE] : []),
            "",
            "Keep one as a player of this server: aether-federation players adopt <player>",
          ].join("\n"),
    json: { orphans: found, isAlone },
  };
}

/** Keeps one visitor, or all of one home, as players of this server. */
export async function adoptOrphans(
  deployment: Deployment,
  given: {
    readonly player: string | undefined;
    readonly allOf: string | undefined;
    readonly afterDays: string | undefined;
    readonly merge: boolean;
    readonly leaving: boolean;
    readonly yes: boolean;
  },
): Promise<CommandResult> {
  const { player, allOf, merge, leaving } = given;
  if ((player === undefined) === (allOf === undefined)) {
    throw new CommandError("name one visitor, or a home with --all-of", EXIT.usage);
  }
  const orphans = await orphansOf(deployment, given.afterDays);
  const named = await whoIsMeant(orphans, player, allOf);
  const wishes = { merge, leaving };
  if (!given.yes) return forecast(orphans, named, wishes);
  deployment.mayDecide();
  const release = merge ? await whileStopped(deployment) : undefined;
  try {
    const done: (Adoption & { readonly player: string })[] = [];
    for (const each of named) {
      const adoption = await orphans.adopt(each, wishes);
      // Said also where it was kept before: perhaps a crash came before this line.
      if (adoption.ok) await deployment.audit("orphan-adopted", each, { matched: [adoption.as] });
      done.push({ player: each, ...adoption });
    }
    const isWhole = done.every(({ ok }) => ok);
    return {
      text: done.map(lineOf).join("\n"),
      json: { adopted: done },
      ...(isWhole ? {} : { exitCode: EXIT.failed }),
    };
  } finally {
    release?.();
  }
}

async function whoIsMeant(
  orphans: Orphans,
  player: string | undefined,
  allOf: string | undefined,
): Promise<readonly string[]> {
  if (allOf === undefined) return [player ?? ""];
  let home: string;
  try {
    home = normalizeOrigin(allOf, { allowInsecure: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "it is no origin";
    throw new CommandError(`--all-of: ${why}`, EXIT.usage);
  }
  const isMeant = (each: Orphan): boolean => each.home === home && each.adoptedAs === undefined;
  const named = (await orphans.list()).filter(isMeant).map((each) => each.player);
  if (named.length > 0) return named;
  throw new CommandError(`no visitor of ${home} is left to keep: see players orphans`);
}

async function forecast(
  orphans: Orphans,
  named: readonly string[],
  wishes: { readonly merge: boolean; readonly leaving: boolean },
): Promise<CommandResult> {
  const told: { player: string; why?: string }[] = [];
  for (const player of named) {
    const why = await orphans.forecast(player, wishes);
    told.push(why === undefined ? { player } : { player, why });
  }
  const isAny = told.some(({ why }) => why === undefined);
  return {
    text: [
      ...told.map(({ player, why }) =>
        why === undefined ? `${player} would be kept.` : `${player} is not kept: ${why}.`,
      ),
      ...(isAny
        ? [
            "",
            "They are players of this server from then on, under its own word. Should their home come back, it has its players, too, as it knows them: whatever they carry is there twice.",
            "Nothing is done yet. If you are sure, say it again with --yes.",
          ]
        : []),
    ].join("\n"),
    json: { wouldAdopt: told },
    exitCode: EXIT.failed,
  };
}

function lineOf(done: Adoption & { readonly player: string }): string {
  if (!done.ok) return `${done.player} is not kept: ${done.reason}.`;
  const left = done.leftOut.length === 0 ? "" : ` It has not got: ${done.leftOut.join(", ")}.`;
  return `${done.player} is ${done.as} from now on${done.again ? ", and was before" : ""}.${left}`;
}

/** As long as a player is changed that may be playing, the server does not run. */
async function whileStopped({ folder, inFolder, store }: Deployment): Promise<() => void> {
  const release = inFolder ? lockFolder(join(folder, DATA_FILES.lock)) : () => undefined;
  if ((await readPulse(store, systemClock.now()))?.isRunning !== true) return release;
  release();
  throw new CommandError("this server runs: stop it first, since --merge changes its players");
}

async function orphansOf(
  { store, registry, logger }: Deployment,
  afterDays: string | undefined,
): Promise<Orphans> {
  const { fewest, most, usual } = SILENT_DAYS;
  const days = afterDays === undefined ? usual : Number(afterDays);
  if (!Number.isInteger(days) || days < fewest || days > most) {
    throw new CommandError(
      `--after-days: expected a whole number from ${fewest} to ${most}, got "${afterDays ?? ""}"`,
      EXIT.usage,
    );
  }
  const { origin, former = [] } = (await storeIdentity(store)) ?? {};
  if (origin === undefined) throw new CommandError("this server has never run on these data");
  const moves = knownMoves(origin, former, registry);
  return new Orphans({
    ...{ origin, store, registry, moves, logger },
    ...{ clock: systemClock, random: systemRandom, afterDays: days },
  });
}
