/**
 * Parties on their way out of a room: what speaks against one member is known before anybody is frozen, as far as it
 * can be; what they wear is sent ahead; then all depart together.
 */
import type { Client, Room } from "@colyseus/core";
import { referencesIn } from "../assets/verify/references-in.ts";
import type { IfSomeCannot, PartyRefusal } from "../custody/shared/party.ts";
import type { PlayerSession } from "../custody/shared/player-session.ts";
import { cannotTravel } from "../custody/source/departing.ts";
import { type PartyOutcome, stayed } from "../custody/source/parties.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { Departures } from "./departures.ts";
import type { RoomPlayer, RoomSessions } from "./room-sessions.ts";

/** Options of {@link PartyDepartures}. */
export interface PartyDeparturesOptions {
  readonly runtime: FederationRuntime;
  readonly sessions: RoomSessions;
  readonly departures: Departures;
}

interface Member {
  readonly client: Client;
  readonly entry: RoomPlayer;
  readonly session: PlayerSession;
}

/** All parties that leave this process's rooms. */
export class PartyDepartures {
  readonly #options: PartyDeparturesOptions;

  constructor(options: PartyDeparturesOptions) {
    this.#options = options;
  }

  /** Sends the players of these connections through a portal, together. Tells each client how it ended. */
  async enter(
    room: Room,
    clients: readonly Client[],
    uri: string,
    ifSomeCannot: IfSomeCannot,
  ): Promise<PartyOutcome> {
    const { runtime, sessions, departures } = this.#options;
    const { random, custody } = runtime;
    const partyId = random.uuid();
    const members: Member[] = [];
    const nobody = (code: PartyRefusal["code"], message: string): PartyOutcome => {
      for (const client of clients) {
        const transferId = random.uuid();
        client.send("federation:failed", { transferId, to: uri, code, message });
      }
      const left = members.map(({ session }) => session);
      return stayed(partyId, uri, left, { code, message }, random);
    };
    for (const client of clients) {
      const entry = sessions.get(room, client.sessionId);
      const session = entry?.session;
      if (entry !== undefined && session !== undefined && !session.ended) {
        members.push({ client, entry, session });
      }
    }
    if (members.length < clients.length) {
      return nobody("ERR_FED_NOT_A_PLAYER", "One of you is not a player of the federation.");
    }
    const found = departures.destination(uri);
    if (!found.ok) return nobody(found.code, found.reason);
    const { origin, world, options } = found.destination;
    const homes = members.map(({ session }) => session.home);
    const obstacle = custody.parties.obstacle(origin, homes);
    if (obstacle !== undefined) return nobody(obstacle.code, obstacle.message);
    const unfit = (): PartyRefusal | undefined => {
      for (const { entry, session } of members) {
        const fault = sessions.faultOf(entry);
        if (fault !== undefined) {
          return { code: "ERR_FED_STATE_INVALID", message: cannotTravel(fault.kind) };
        }
        if (session.ended) {
          return { code: "ERR_FED_NOT_A_PLAYER", message: "One of you is not here any more." };
        }
        if (session.frozen) {
          return { code: "ERR_FED_CROSSING_BUSY", message: "One of you is on the way already." };
        }
      }
      return undefined;
    };
    // With "others", whoever cannot is left behind by its own crossing.
    const early = ifSomeCannot === "nobody" ? unfit() : undefined;
    if (early !== undefined) return nobody(early.code, early.message);
    const sent = await Promise.all(
      members.map(async ({ entry, client }) =>
        referencesIn(sessions.carry(entry)).length === 0
          ? ({ ok: true } as const)
          : departures.sendAhead(entry, client, { transferId: random.uuid(), uri, origin }),
      ),
    );
    for (const ready of sent) if (!ready.ok) return nobody(ready.code, ready.reason);
    // The freeze comes in this very turn.
    const late = ifSomeCannot === "nobody" ? unfit() : undefined;
    if (late !== undefined) return nobody(late.code, late.message);
    const leaving = members.map(({ session }) => session);
    return custody.parties.enter(leaving, { uri, origin, world, options }, ifSomeCannot);
  }
}
