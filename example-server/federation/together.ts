/** Several players go through a gate together, all or nobody: docs/parties.md. */
import { randomUUID } from "node:crypto";
import type { Client } from "@colyseus/core";
import type { FederationPortals } from "aether-federation";
import { Pace, membersOf, textOf } from "../messages.ts";

/** What going together needs of the room. */
export interface TogetherRoom {
  readonly portals: Pick<FederationPortals, "enter" | "party" | "isFrozen">;
  clientOf(sessionId: string): Client | undefined;
  nameOf(sessionId: string): string;
  /** What a gate is called; undefined where none leads there. */
  labelOf(uri: string): string | undefined;
  broadcast(type: string, message: object, options: { readonly except: Client }): void;
  after(milliseconds: number, then: () => void): { clear(): void };
}

/** Who comes along, until they go. */
interface Gathering {
  readonly id: string;
  readonly to: string;
  /** Session ids, the caller's first. */
  readonly members: string[];
  readonly timer: { clear(): void };
  isUnderWay: boolean;
}

const SECONDS = 8;
const MAX_MEMBERS = 8;
const PACE_MILLISECONDS = 2_000;

export class Together {
  readonly #room: TogetherRoom;
  readonly #gatherings = new Map<string, Gathering>();
  readonly #pace = new Pace(PACE_MILLISECONDS);

  constructor(room: TogetherRoom) {
    this.#room = room;
  }

  /** `gather {to}`: who comes along? */
  gather(client: Client, message: unknown): void {
    const to = textOf(membersOf(message)["to"], 300) ?? "";
    const label = this.#room.labelOf(to);
    const { sessionId } = client;
    if (label === undefined || this.#isBusy(client) || !this.#pace.allows(sessionId)) return;
    const id = randomUUID();
    const timer = this.#room.after(SECONDS * 1000, () => void this.#go(id));
    this.#gatherings.set(id, { id, to, members: [sessionId], timer, isUnderWay: false });
    const by = this.#room.nameOf(sessionId);
    this.#room.broadcast("gathering", { id, by, to, label, seconds: SECONDS }, { except: client });
    this.#tell(id);
  }

  /** `along {id}`: I do. */
  along(client: Client, message: unknown): void {
    const gathering = this.#named(message);
    if (gathering === undefined || this.#isBusy(client)) return;
    if (gathering.isUnderWay || gathering.members.length >= MAX_MEMBERS) return;
    gathering.members.push(client.sessionId);
    this.#tell(gathering.id);
  }

  /** `set-off {id}`: the one who called waits for nobody else. */
  setOff(client: Client, message: unknown): void {
    const gathering = this.#named(message);
    if (gathering?.members[0] === client.sessionId) void this.#go(gathering.id);
  }

  /** A player has left the room, or has lost its connection. */
  without(sessionId: string): void {
    this.#pace.forget(sessionId);
    const gathering = this.#of(sessionId);
    if (gathering === undefined || gathering.isUnderWay) return;
    if (gathering.members[0] === sessionId) {
      this.#end(gathering, `${this.#room.nameOf(sessionId)} has left.`);
    } else {
      gathering.members.splice(gathering.members.indexOf(sessionId), 1);
      this.#tell(gathering.id);
    }
  }

  async #go(id: string): Promise<void> {
    const gathering = this.#gatherings.get(id);
    if (gathering === undefined || gathering.isUnderWay) return;
    gathering.isUnderWay = true;
    gathering.timer.clear();
    const { portals } = this.#room;
    const members = gathering.members
      .map((sessionId) => this.#room.clientOf(sessionId))
      .filter((client) => client !== undefined)
      .filter((client) => !portals.isFrozen(client));
    const [first, second] = members;
    if (first === undefined) {
      this.#end(gathering, "Nobody is here any more.");
    } else if (second === undefined) {
      const outcome = await portals.enter(first, gathering.to);
      const stayed = outcome.kind === "stayed" ? [first.sessionId] : [];
      this.#end(gathering, outcome.kind === "stayed" ? outcome.message : "", stayed);
    } else {
      const { members: each, reason } = await portals.party(members).enter(gathering.to);
      const stayed = members.filter((_, index) => each[index]?.outcome.kind === "stayed");
      const message = reason?.message ?? "You stay here.";
      this.#end(
        gathering,
        message,
        stayed.map(({ sessionId }) => sessionId),
      );
    }
  }

  /** Whoever stays hears why; whoever has arrived hears nothing of it any more. */
  #end({ id, members, timer }: Gathering, message: string, stayed = members): void {
    timer.clear();
    this.#gatherings.delete(id);
    for (const sessionId of stayed) {
      this.#room.clientOf(sessionId)?.send("together", { id, over: true, message });
    }
  }

  #tell(id: string): void {
    const members = this.#gatherings.get(id)?.members ?? [];
    const names = members.map((sessionId) => this.#room.nameOf(sessionId));
    for (const sessionId of members) {
      this.#room.clientOf(sessionId)?.send("together", { id, members: names });
    }
  }

  #named(message: unknown): Gathering | undefined {
    return this.#gatherings.get(textOf(membersOf(message)["id"], 64) ?? "");
  }

  #of(sessionId: string): Gathering | undefined {
    return [...this.#gatherings.values()].find(({ members }) => members.includes(sessionId));
  }

  /** On its way already, alone or with others. */
  #isBusy(client: Client): boolean {
    return this.#of(client.sessionId) !== undefined || this.#room.portals.isFrozen(client);
  }
}
