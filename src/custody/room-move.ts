/** A player walks from a room of one process into a room of another, on the same server. */
import { z } from "zod";
import { type JsonValue, stateSchema } from "../json.ts";
import type { Clock } from "../ports.ts";
import type { Custody } from "./custody.ts";
import { type PlayerBody, PlayerSession } from "./shared/player-session.ts";
import type { Siblings } from "./shared/siblings.ts";

const handedSchema = z.strictObject({
  home: z.string(),
  atHome: z.boolean(),
  name: z.string(),
  guest: z.boolean(),
  epoch: z.int(),
  state: stateSchema.optional(),
  /** Of a visitor's lease. */
  leaseSecondsLeft: z.number().optional(),
});

/** A player another process has let go of for this one. */
export interface MovedPlayer {
  readonly name: string;
  readonly home: string;
  readonly state: JsonValue | undefined;
  /** Starts the session here. */
  begin(body: PlayerBody): PlayerSession;
  /** No session comes of it: a visitor goes home, as from a leave. */
  abort(): Promise<void>;
}

/** The former process: ends its session and writes down whose the player is now. */
export async function handOver(
  { custody, clock }: { readonly custody: Custody; readonly clock: Clock },
  player: string,
  to: string,
): Promise<JsonValue> {
  const session = custody.sessions.get(player);
  if (session === undefined || session.frozen) return null;
  const { home, atHome, name, guest, epoch } = session;
  const state = session.body.carry();
  const lease = custody.leases.handOver(session);
  custody.sessions.remove(session);
  const localId = custody.ledger.localId(player) ?? "";
  // A guest that has never departed has no row.
  const handed = atHome
    ? guest || (await custody.ledger.handOver(localId, epoch, to))
    : await custody.visitors.changeHeld(
        player,
        (held) => held.phase === "held" && held.epoch === epoch,
        (held) => ({ ...held, life: to }),
      );
  session.body.end(undefined, "You are in the other room now.");
  if (!handed) return null;
  const until = lease === undefined ? undefined : lease.sentAt + lease.seconds * 1000;
  return {
    ...{ home, atHome, name, guest, epoch },
    ...(state === undefined ? {} : { state }),
    ...(until === undefined
      ? {}
      : { leaseSecondsLeft: Math.max(0, (until - clock.monotonic()) / 1000) }),
  };
}

/** The new process: asks for the player, and starts its session. */
export async function takeOver(
  {
    custody,
    clock,
    siblings,
  }: { readonly custody: Custody; readonly clock: Clock; readonly siblings: Siblings },
  life: string,
  player: string,
): Promise<MovedPlayer | undefined> {
  // The lease is counted from before the question: it was measured after it.
  const sentAt = clock.monotonic();
  const answer = await siblings.ask(life, { kind: "move", player, to: siblings.life });
  const parsed = handedSchema.safeParse(answer);
  const giveUp = async (): Promise<void> => {
    await custody.visitors.changeHeld(
      player,
      (held) => held.phase === "held" && held.life === siblings.life,
      ({ life: mine, epoch }) => ({
        epoch,
        phase: "returning",
        ...(mine === undefined ? {} : { life: mine }),
      }),
    );
    custody.settleInBackground(player);
  };
  if (!parsed.success) {
    // It may have let go of the player all the same, and only its answer is missing.
    if (answer === undefined) await giveUp();
    return undefined;
  }
  const { state, leaseSecondsLeft, ...who } = parsed.data;
  return {
    name: who.name,
    home: who.home,
    state,
    begin: (body) => {
      const session = new PlayerSession({ player, ...who, body });
      custody.sessions.add(session);
      if (!who.atHome) custody.leases.won(session, sentAt, leaseSecondsLeft ?? 0);
      return session;
    },
    abort: giveUp,
  };
}
