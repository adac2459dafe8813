/** The pier: anglers sit on it, cast, wait, and reel in. */
import { type Client, Room, definePlugins } from "@colyseus/core";
import { type SchemaType, schema, t } from "@colyseus/schema";
import type { Federation, FederatedPlayer } from "aether-federation";
import { Board } from "./board.ts";
import { type Carried, basketOf, withCatch } from "./carried.ts";
import { Line } from "./line.ts";
import { type Caught, type Landed, SEATS } from "./messages.ts";

const RELOAD_SECONDS = 20;
const MESSAGES_PER_SECOND = 20;

const AnglerState = schema(
  {
    name: t.string(),
    /** Host of the server that the player is at home at. */
    home: t.string(),
    seat: t.uint8(),
    line: t.string(),
    catches: t.number(),
    /** Connected; a place is kept for a while when that breaks off. */
    isHere: t.boolean(),
    isLeaving: t.boolean(),
  },
  "Angler",
);
type AnglerState = SchemaType<typeof AnglerState>;

const BoardLineState = schema(
  { angler: t.string(), home: t.string(), fish: t.string() },
  "BoardLine",
);

const PierState = schema({ anglers: t.map(AnglerState), board: t.array(BoardLineState) }, "Pier");

/** The state as the page has it. */
export type Pier = SchemaType<typeof PierState>;

/** What a room knows of an angler that is nobody else's business. */
interface Angler {
  readonly player: FederatedPlayer;
  readonly line: Line;
  carried: Carried;
}

const board = new Board();

/** Builds the room class. */
export function pierRoom(federation: Federation): new () => Room {
  const authority = new URL(federation.origin).host;

  return class PierRoom extends Room<{ state: Pier }> {
    override maxClients = SEATS;
    override maxMessagesPerSecond = MESSAGES_PER_SECOND;
    override seatReservationTimeout = 45;
    override state = new PierState();

    override plugins = definePlugins([
      federation.portals({
        carry: ({ sessionId }) => this.#anglers.get(sessionId)?.carried,
        freeze: (client) => {
          this.#setLeaving(client, true);
        },
        unfreeze: (client) => {
          this.#setLeaving(client, false);
        },
        allowEnter: true,
        destinations: true,
      }),
    ]);

    readonly #anglers = new Map<string, Angler>();

    override messages = {
      cast: (client: Client): void => {
        this.#anglers.get(client.sessionId)?.line.cast();
      },
      reel: (client: Client): void => {
        const angler = this.#anglers.get(client.sessionId);
        const caught = angler?.line.reel();
        if (angler === undefined || caught === undefined) return;
        if (caught === "early") tell(client, { kind: "missed", why: "early" });
        else this.#land(client, angler, caught);
      },
      basket: (client: Client): void => {
        client.send("basket", basketOf(this.#anglers.get(client.sessionId)?.carried));
      },
    };

    override onCreate(): void {
      this.#showBoard();
    }

    override onJoin(client: Client): void {
      const player = this.plugins.federation.player(client);
      if (player === undefined) throw new Error("only players of the federation can fish here");
      const state = new AnglerState({
        ...{ name: player.name, home: new URL(player.home).host, seat: this.#freeSeat() },
        ...{ line: "ashore", catches: 0, isHere: true, isLeaving: false },
      });
      this.state.anglers.set(client.sessionId, state);
      const line = new Line(
        {
          random: Math.random,
          later: (milliseconds, run) => this.clock.setTimeout(run, milliseconds),
        },
        {
          changed: (now) => {
            state.line = now;
          },
          escaped: () => {
            tell(client, { kind: "missed", why: "late" });
          },
        },
      );
      this.#anglers.set(client.sessionId, { player, line, carried: player.carried });
    }

    /** A page that is reloaded, or a network that comes back, finds its place. */
    override onDrop(client: Client): void {
      this.#setHere(client, false);
      this.allowReconnection(client, RELOAD_SECONDS).catch(() => undefined);
    }

    override onReconnect(client: Client): void {
      this.#setHere(client, true);
    }

    override onLeave(client: Client): void {
      this.#anglers.get(client.sessionId)?.line.takeIn();
      this.#anglers.delete(client.sessionId);
      this.state.anglers.delete(client.sessionId);
    }

    #land(client: Client, angler: Angler, caught: Caught): void {
      const { carried, isKept, isStamped } = withCatch(angler.carried, caught, authority);
      angler.carried = carried;
      const state = this.state.anglers.get(client.sessionId);
      if (state !== undefined) state.catches += 1;
      tell(client, { kind: "caught", name: caught.name, isKept, isStamped });
      client.send("basket", basketOf(carried));
      const { id, name, home } = angler.player;
      const { centimetres } = caught;
      const record = { id, angler: name, home: new URL(home).host, fish: caught.name, centimetres };
      if (board.note(record)) this.#showBoard();
    }

    #showBoard(): void {
      this.state.board.splice(0, this.state.board.length);
      for (const { angler, home, fish } of board.lines) {
        this.state.board.push(new BoardLineState({ angler, home, fish }));
      }
    }

    /** From the middle outwards, so that few sit together. */
    #freeSeat(): number {
      const taken = new Set([...this.state.anglers.values()].map(({ seat }) => seat));
      for (let step = 0; step < SEATS; step += 1) {
        const seat = SEATS / 2 + (step % 2 === 0 ? step / 2 : -(step + 1) / 2);
        if (!taken.has(seat)) return seat;
      }
      return 0;
    }

    #setLeaving(client: Client, isLeaving: boolean): void {
      if (isLeaving) this.#anglers.get(client.sessionId)?.line.takeIn();
      const state: AnglerState | undefined = this.state.anglers.get(client.sessionId);
      if (state !== undefined) state.isLeaving = isLeaving;
    }

    #setHere(client: Client, isHere: boolean): void {
      const state = this.state.anglers.get(client.sessionId);
      if (state !== undefined) state.isHere = isHere;
    }
  };
}

function tell(client: Client, landed: Landed): void {
  client.send("landed", landed);
}
