/** One player gives another a thing, which leaves one home's ledger and enters the other's: docs/gifts.md. */
import { randomUUID } from "node:crypto";
import type { Client } from "@colyseus/core";
import { type FederatedPlayer, type FederationPortals, readCarried } from "aether-federation";
import { membersOf, textOf } from "../messages.ts";
import type { Belongings } from "./belongings.ts";
import { isStamp } from "./stamps.ts";

/** What giving needs of the room. */
export interface GiftRoom {
  readonly portals: Pick<FederationPortals, "give" | "player">;
  clientOf(sessionId: string): Client | undefined;
  belongingsOf(client: Client): Belongings | undefined;
  /** The player has something else than before. */
  changed(client: Client): void;
}

const MAX_TEXT_LENGTH = 64;

/** Who has never carried anything gets a thing that can be given away. */
export function giveFlower(belongings: Belongings, player: FederatedPlayer, world: string): void {
  if (player.carried !== undefined) return;
  const name = `Flower of ${world}`.slice(0, MAX_TEXT_LENGTH);
  belongings.add({ id: randomUUID(), kind: "flower", name });
}

export class Gifts {
  readonly #room: GiftRoom;
  /** Session ids of those whose gift is under way: one at a time. */
  readonly #giving = new Set<string>();

  constructor(room: GiftRoom) {
    this.#room = room;
  }

  /** `give {item, to}`: the giver's own page asks the player, and signs; its home and the other's do the rest. */
  async give(client: Client, message: unknown): Promise<void> {
    const { item, to } = membersOf(message);
    const id = textOf(item, MAX_TEXT_LENGTH);
    const other = this.#room.clientOf(textOf(to, MAX_TEXT_LENGTH) ?? "");
    const thing = this.#room.belongingsOf(client)?.inventory.find((each) => each.id === id);
    if (thing === undefined || isStamp(thing) || other === undefined || other === client) return;
    if (this.#giving.has(client.sessionId)) return;
    this.#giving.add(client.sessionId);
    try {
      await this.#giveTo(client, other, { id: thing.id, name: thing.name ?? "A thing" });
    } finally {
      this.#giving.delete(client.sessionId);
    }
  }

  async #giveTo(
    client: Client,
    other: Client,
    { id: item, name }: { readonly id: string; readonly name: string },
  ): Promise<void> {
    const [from, to] = [this.#nameOf(client), this.#nameOf(other)];
    const outcome = await this.#room.portals.give(client, { item, to: other });
    const { kind } = outcome;
    if (kind === "kept" || kind === "undecided") {
      client.send("gift", { kind, item, name, to, message: outcome.message });
      return;
    }
    this.#room.belongingsOf(client)?.remove(item);
    this.#room.changed(client);
    client.send("gift", { kind, item, name, to });
    // It is at the other's home, or will be: the player has it when it is next there.
    other.send("gift", { kind: "got", item, name, from, later: true });
  }

  #nameOf(client: Client): string {
    const name = this.#room.portals.player(client)?.name;
    return readCarried({ displayName: name }).displayName ?? "Somebody";
  }
}
