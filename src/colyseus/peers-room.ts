/**
 * The `federation` room: how this server's peers are, at a glance, in the Colyseus monitor.
 *
 * Nobody can join it; it is private and locked and lives as long as the server. The monitor shows a state as a
 * tree of its members, and hangs on answers above 64 KiB: so it is a summary and one line for each of the worst peers,
 * and the admin page and the command line have the rest.
 */
import { Room } from "@colyseus/core";
import * as schemas from "@colyseus/schema";

const GlanceState = schemas.schema(
  {
    /** `2 down · 57 up · 4 visitors · 2 abroad` */
    summary: schemas.t.string(),
    /** The worst first. */
    peers: schemas.t.array("string"),
    /** When it was looked last, RFC 3339. */
    at: schemas.t.string(),
  },
  "FederationGlance",
);

/** What the room shows, asked anew at every update. */
export interface PeersSource {
  readonly glance: () => { readonly summary: string; readonly lines: readonly string[] };
  /** Unix milliseconds. */
  readonly now: () => number;
}

const UPDATE_MILLISECONDS = 2_000;

/** Builds the room class for one federation. `onDispose`: one is gone, whoever closed it. */
export function definePeersRoom(source: PeersSource, onDispose: () => void): new () => Room {
  return class FederationPeersRoom extends Room {
    static override async onAuth(): Promise<unknown> {
      return false;
    }

    override autoDispose = false;
    override maxClients = 0;
    override patchRate = UPDATE_MILLISECONDS;
    override state = new GlanceState();

    override async onCreate(): Promise<void> {
      await this.setPrivate(true);
      await this.lock();
      this.#update();
      this.clock.setInterval(() => {
        this.#update();
      }, UPDATE_MILLISECONDS);
    }

    override onDispose(): void {
      onDispose();
    }

    #update(): void {
      const { summary, lines } = source.glance();
      const { peers } = this.state;
      this.state.summary = summary;
      this.state.at = `${new Date(source.now()).toISOString().slice(0, 19)}Z`;
      for (const [index, line] of lines.entries()) {
        if (peers[index] !== line) peers[index] = line;
      }
      if (peers.length > lines.length) peers.splice(lines.length, peers.length - lines.length);
    }
  };
}
