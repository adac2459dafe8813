/**
 * The players of this process's rooms: from a Colyseus connection to a custody session and back.
 *
 * Sessions are kept by room and session id, not by client object, so that Colyseus' reconnection,
 * which makes a new client object, changes nothing.
 */
import * as core from "@colyseus/core";
import type { Client, Room } from "@colyseus/core";
import type {
  FailedMessage,
  FreezeReason,
  PlayerBody,
  PlayerSession,
  TransitMessage,
  UndecidedMessage,
} from "../custody/shared/player-session.ts";
import type { ImportNotice } from "../custody/home/import-notices.ts";
import type { PartyMessage } from "../custody/shared/party.ts";
import { SaidOnce } from "../custody/shared/said-once.ts";
import type { FederationErrorCode } from "../errors.ts";
import type { FederatedPlayer } from "./federated-player.ts";
import { type JsonValue, type StateFault, checkState } from "../json.ts";
import type { Logger } from "../ports.ts";
import { type ClientInternals, internalsOf } from "./internals.ts";
import { FederationPortals, type PortalsHost } from "./portals.ts";

/** One player in one room. */
export interface RoomPlayer {
  readonly room: Room;
  readonly sessionId: string;
  player: FederatedPlayer;
  /** Absent for a player of a room that takes no part in custody. */
  session?: PlayerSession;
  /** The federation has let it in: the room's instance `onAuth` is not asked again. */
  readonly admitted: boolean;
  /** What it carried when the room last let go of it. */
  carriedAtLeave?: JsonValue | undefined;
  /** What was told last; {@link RoomSessions.isFrozen} looks at the lease, too. */
  frozen: boolean;
  /** Input frames that came while it was frozen. */
  keptInputs?: { readonly client: Client; bytes: number; readonly frames: Uint8Array[] };
  /** Whether the room's `onJoin` is through: before that, the room cannot say what it carries. */
  joined: boolean;
  /** Thumbprint of the key whose login the seat was for. */
  jkt?: string;
  /** The transfer by which another page takes the player into another room of this server. */
  handedOver?: string;
  /** Lets go of the assets it brought. */
  releaseAssets?: () => void;
}

const WEBSOCKET_OPEN = 1;
const MAX_CLOSE_REASON_BYTES = 120;
/** What a frozen player is told. */
const FREEZE_SENTENCES: Readonly<Record<FreezeReason, string>> = {
  crossing: "You are on your way.",
  lease: "Your home server does not answer: you can go on once it does.",
  process: "This server cannot reach its own records: you can go on once it does.",
  stopping: "This server is stopping: you are being sent home.",
};

/** All players in the rooms of this process. */
export class RoomSessions {
  readonly #host: PortalsHost;
  readonly #logger: Logger;
  readonly #said = new SaidOnce();
  /** A player's room has let it in: it can be asked, and told. */
  onJoined: ((entry: RoomPlayer) => void) | undefined;
  /** A player freezes, or thaws: before its room hears of it. */
  onFreezing: ((entry: RoomPlayer, client: Client, frozen: boolean) => void) | undefined;
  readonly #byRoom = new WeakMap<Room, Map<string, RoomPlayer>>();

  constructor(host: PortalsHost, logger: Logger) {
    this.#host = host;
    this.#logger = logger;
  }

  /** The plugin of this federation in a room, if the room has it. */
  portalsOf(room: Room): FederationPortals | undefined {
    const plugins = room.plugins as Record<string, unknown> | undefined;
    return Object.values(plugins ?? {}).find(
      (plugin): plugin is FederationPortals =>
        plugin instanceof FederationPortals && plugin.belongsTo(this.#host),
    );
  }

  get(room: Room, sessionId: string): RoomPlayer | undefined {
    return this.#byRoom.get(room)?.get(sessionId);
  }

  add(room: Room, sessionId: string, player: FederatedPlayer, admitted: boolean): RoomPlayer {
    let players = this.#byRoom.get(room);
    if (players === undefined) {
      players = new Map();
      this.#byRoom.set(room, players);
    }
    const entry: RoomPlayer = { room, sessionId, player, admitted, frozen: false, joined: false };
    players.set(sessionId, entry);
    return entry;
  }

  /** Whether nobody may simulate the player now, by its lease, too, however late the timer is. */
  isFrozen(entry: RoomPlayer): boolean {
    return entry.session?.frozen ?? entry.frozen;
  }

  remove(entry: RoomPlayer): void {
    entry.releaseAssets?.();
    const players = this.#byRoom.get(entry.room);
    if (players?.get(entry.sessionId) === entry) players.delete(entry.sessionId);
  }

  /** What the room says the player carries now; the last known when it cannot say any more. */
  carry(entry: RoomPlayer): JsonValue | undefined {
    const client = clientOf(entry);
    const portals = this.portalsOf(entry.room);
    if (portals === undefined) return undefined;
    if (client === undefined) return entry.carriedAtLeave;
    return this.capture(entry, client);
  }

  /** Asks the room and remembers the answer; a failed one leaves the last good one. */
  capture(entry: RoomPlayer, client: Client): JsonValue | undefined {
    this.#ask(entry, client);
    return entry.carriedAtLeave;
  }

  /** Why what the player carries now cannot travel, if it cannot; what can is remembered. */
  faultOf(entry: RoomPlayer): StateFault | undefined {
    const client = clientOf(entry);
    return client === undefined || this.isFrozen(entry) ? undefined : this.#ask(entry, client);
  }

  #ask(entry: RoomPlayer, client: Client): StateFault | undefined {
    // What happens to a frozen player does not count.
    if (!entry.joined || entry.frozen) return undefined;
    const { player, room, sessionId } = entry;
    let carried: unknown;
    let thrown: unknown;
    let fault: StateFault | undefined;
    try {
      carried = this.portalsOf(room)?.carried(client);
      if (carried === undefined) return undefined;
      const checked = checkState(carried);
      if (checked.ok) entry.carriedAtLeave = checked.state;
      else ({ fault } = checked);
    } catch (cause) {
      thrown = cause;
      fault = { path: "", kind: "not-json", reason: "carry() throws" };
    }
    // Nobody waits for it; its rejection is part of the same fault.
    if (carried instanceof Promise) carried.catch(() => undefined);
    if (fault !== undefined && this.#said.isNews(`${sessionId} ${fault.kind} ${fault.path}`)) {
      const where = fault.path === "" ? "" : ` at ${fault.path}`;
      this.#logger.error(
        `carry() of room "${room.roomName}" failed for ${player.id}${where}: ${fault.reason}; what it carried before is kept`,
        thrown,
        { player: player.id },
      );
    }
    return fault;
  }

  /** The room's `onJoin` is through. */
  joined(entry: RoomPlayer): void {
    entry.joined = true;
    this.onJoined?.(entry);
  }

  /** Tells room and client what home did not keep; false when the player is not there any more. */
  tellNotKept(entry: RoomPlayer, notice: ImportNotice): boolean {
    const client = clientOf(entry);
    if (client === undefined || entry.session?.ended !== false) return false;
    client.send("federation:kept", notice);
    try {
      this.portalsOf(entry.room)?.kept(client, notice);
    } catch (cause) {
      this.#logger.error(`onKept() of room "${entry.room.roomName}" failed`, cause);
    }
    return true;
  }

  /** The body custody drives. */
  body(entry: RoomPlayer): PlayerBody {
    const send = (type: string, message: unknown): void => {
      clientOf(entry)?.send(type, message);
    };
    const isConnected = (): boolean => {
      const client = clientOf(entry) as (Client & ClientInternals) | undefined;
      return client?.readyState === WEBSOCKET_OPEN;
    };
    return {
      get connected() {
        return isConnected();
      },
      carry: () => this.carry(entry),
      setFrozen: (frozen, reason) => {
        entry.frozen = frozen;
        const client = clientOf(entry);
        if (client === undefined) return;
        this.onFreezing?.(entry, client, frozen);
        if (!frozen) send("federation:thawed", {});
        else if (reason !== undefined) {
          send("federation:frozen", { reason, message: FREEZE_SENTENCES[reason] });
        }
        try {
          this.portalsOf(entry.room)?.frozen(client, frozen);
        } catch (cause) {
          this.#logger.error(`freeze() of room "${entry.room.roomName}" failed`, cause);
        }
      },
      transit: (message: TransitMessage) => {
        send("federation:transit", message);
      },
      failed: (message: FailedMessage) => {
        send("federation:failed", message);
      },
      undecided: (message: UndecidedMessage) => {
        send("federation:undecided", message);
      },
      party: (message: PartyMessage) => {
        send("federation:party", message);
      },
      end: (code, reason) => {
        end(entry, code, reason);
      },
    };
  }
}

function clientOf(entry: RoomPlayer): Client | undefined {
  return entry.room.clients.get(entry.sessionId);
}

/** Closes the connection for good: no reconnection grace survives the end of custody. */
function end(entry: RoomPlayer, code: FederationErrorCode | undefined, reason: string): void {
  const { room, sessionId } = entry;
  for (const reconnection of Object.values(internalsOf(room)._reconnections)) {
    if (reconnection?.[0] === sessionId) reconnection[1].reject(false);
  }
  const client = clientOf(entry);
  // The close frame holds a short text only, and proxies drop it.
  if (code !== undefined) client?.send("federation:recalled", { code, message: reason });
  const text = code === undefined ? reason : `${code}: ${reason}`;
  client?.leave(
    core.CloseCode.CONSENTED,
    Buffer.from(text).subarray(0, MAX_CLOSE_REASON_BYTES).toString("utf8"),
  );
}
