/**
 * A visiting player comes into a room of the server under test: by a pass of its home, a seat in this
 * very room and a connection of the SDK. Everything on the way is the server's own: pass, `admit`, claim,
 * lease, `onJoin`.
 */
import type { Client, Room } from "@colyseus/core";
import type { Room as ClientRoom } from "@colyseus/sdk";
import type { JsonValue } from "../json.ts";
import type { FakePeer } from "./fake-peer.ts";
import type { FakePlayer, ProvingKey } from "./fake-players.ts";

/** Options of {@link arrive}. */
export interface ArriveOptions {
  /** The player's home, connected with the server under test. */
  readonly from: FakePeer;
  /** What it carries. Default: nothing, or what home knows of `player`. */
  readonly carried?: JsonValue;
  /** Default `Visitor`. */
  readonly name?: string;
  /** A player of `from`'s, to come once more, say. Default: a new one of that name. */
  readonly player?: FakePlayer;
  /** A `PlayerKey` of `aether-federation/client`, which the connection proves. Default: none. */
  readonly key?: ProvingKey;
  /** The name by which `worlds` has the room. Default: the room's name. */
  readonly world?: string;
  /** What the room is given as options of the join. */
  readonly options?: Readonly<Record<string, JsonValue>>;
}

/** A visitor that a room has let in. */
export interface ArrivedPlayer<RoomType extends Room = Room> {
  /** The room as its client sees it. */
  readonly room: ClientRoom<RoomType>;
  /** The client as the room sees it. */
  readonly client: Client;
  /** The player as its home sees it. */
  readonly player: FakePlayer;
  /** Leaves the room, and waits until it is home; what home kept of what it carried. */
  leave(): Promise<JsonValue | undefined>;
}

/**
 * Has a player arrive. `room` is a room of this process, e.g. of `colyseus.createRoom(…)` of
 * `@colyseus/testing`. Needs `@colyseus/sdk`.
 *
 * @throws Error with the code, when the server refuses the player.
 * @throws TypeError when `from` is not connected with it.
 */
export async function arrive<RoomType extends Room>(
  room: RoomType,
  options: ArriveOptions,
): Promise<ArrivedPlayer<RoomType>> {
  const { from, carried, world = room.roomName } = options;
  const origin = from.server;
  const player =
    options.player ??
    (await from.player(options.name ?? "Visitor", {
      ...{ carried, key: options.key },
      id: `visitor-${crypto.randomUUID()}`,
    }));
  const { pass } = await player.pass({ origin, world });
  const seat = await askSeat(origin, room.roomId, pass, options.options);
  const { Client: SdkClient } = await import("@colyseus/sdk");
  const sdk = new SdkClient(origin);
  sdk.http.authToken = await player.key?.prove(origin, { seat: seat.sessionId });
  const joined = (await sdk.consumeSeatReservation(seat as never)) as ClientRoom<RoomType>;
  joined.reconnection.enabled = false;
  const client = room.clients.get(joined.sessionId);
  if (client === undefined) {
    throw new Error(`${player.id} is not in room ${room.roomId}: is it a room of this process?`);
  }
  return {
    ...{ room: joined, client, player },
    leave: async () => {
      await joined.leave();
      return player.returned();
    },
  };
}

/** A seat in this very room, with a pass as the token of the join. */
async function askSeat(
  origin: string,
  roomId: string,
  pass: string,
  options: ArriveOptions["options"] = {},
): Promise<{ readonly sessionId: string }> {
  const response = await fetch(`${origin}/matchmake/joinById/${roomId}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${pass}` },
    body: JSON.stringify(options),
  });
  const answer = (await response.json()) as { sessionId?: string; error?: string };
  const { sessionId } = answer;
  if (sessionId !== undefined) return { ...answer, sessionId };
  throw new Error(`no seat in room ${roomId}: ${answer.error ?? `status ${response.status}`}`);
}
