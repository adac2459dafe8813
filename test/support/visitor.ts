/** A client that logs in and crosses step by step, so that a test can come in between. */
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "./eventually.ts";
import type { ServerProcess } from "./processes.ts";
import { type Seat, ask, sdkClient, takeSeat } from "./sdk.ts";

/** What `federation:transit` says. */
export interface Transit {
  readonly transferId: string;
  readonly origin: string;
  readonly reservation: Seat;
}

/** Whom a room of the fixture takes a client for. */
export interface WhoAmI {
  readonly auth: Record<string, unknown> | null;
  readonly player: {
    readonly id: string;
    readonly name: string;
    readonly home: string;
    readonly from?: string;
    readonly carried?: Record<string, unknown>;
    readonly orphanOf?: readonly string[];
  } | null;
}

/** Asks a room of the fixture whom it takes its client for. */
export function whoAmI(room: Room): Promise<WhoAmI> {
  return ask(room, "whoami");
}

/** A player of the fixture's rooms; without a key, a guest. */
export class Visitor {
  readonly key: PlayerKey | undefined;
  room: Room;
  readonly failures: { readonly code: string; readonly message: string }[] = [];
  /** Why the rooms it was in let go of it, the first one first. */
  readonly leaves: string[] = [];
  #transits: Transit[] = [];

  constructor(room: Room, key?: PlayerKey) {
    this.key = key;
    this.room = room;
    this.enter(room);
  }

  static async login(
    home: ServerProcess,
    options: { key?: PlayerKey | null; world?: string; token?: string; options?: object } = {},
  ): Promise<Visitor> {
    const { key = PlayerKey.generate(), world = "plain", token } = options;
    const client = sdkClient(home, token ?? (await key?.prove(home.origin)));
    const room = await client.joinOrCreate(world, { name: "Visitor", ...options.options });
    return new Visitor(room, token === undefined ? (key ?? undefined) : undefined);
  }

  /** Takes another room for the one the player is in. */
  enter(room: Room): void {
    this.room = room;
    room.reconnection.enabled = false;
    room.onMessage("federation:transit", (transit: Transit) => this.#transits.push(transit));
    room.onMessage("federation:failed", (failure: { code: string; message: string }) =>
      this.failures.push(failure),
    );
    room.onLeave((_code, reason) => this.leaves.push(reason ?? ""));
  }

  leave(): Promise<unknown> {
    return this.room.leave();
  }

  async whoAmI(): Promise<WhoAmI> {
    return whoAmI(this.room);
  }

  async id(): Promise<string> {
    return (await this.whoAmI()).player!.id;
  }

  /** Home's word on the crossing by which it came. */
  async receipt(): Promise<string | undefined> {
    const { receipt } = await ask<{ receipt: string | null }>(this.room, "federation:receipt");
    return receipt ?? undefined;
  }

  /** Takes something along, and waits until the room knows. */
  async note(note: string): Promise<void> {
    this.room.send("note", note);
    await this.whoAmI();
  }

  /** Asks for a crossing and waits for the reservation. Rejects with the code when it fails. */
  async transit(to: string): Promise<Transit> {
    const failures = this.failures.length;
    this.room.send("federation:enter", { to });
    return eventually(() => {
      const failure = this.failures[failures];
      const transit = this.#transits.shift();
      if (transit === undefined && failure === undefined) throw new Error("nothing yet");
      return { transit, failure };
    }).then(({ transit, failure }) => {
      if (transit === undefined) throw new Error(`${failure!.code}: ${failure!.message}`);
      return transit;
    });
  }

  /** Takes the seat that was reserved; `token` instead of a good proof. */
  async arrive({ origin, reservation }: Transit, token?: string): Promise<Room> {
    const proof = token ?? (await this.key?.prove(origin, { seat: reservation.sessionId }));
    const room = await takeSeat({ origin }, reservation, proof);
    this.enter(room);
    return room;
  }

  async cross(to: string): Promise<Room> {
    return this.arrive(await this.transit(to));
  }

  /** Gives a crossing up and waits until it is over. */
  async giveUp({ transferId }: Transit): Promise<void> {
    const failures = this.failures.length;
    this.room.send("federation:cancel", { transferId });
    await eventually(() => {
      if (this.failures.length <= failures) throw new Error("the crossing is open");
    });
  }
}
