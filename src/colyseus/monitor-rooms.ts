/** The rooms that show the peers in the Colyseus monitor: one for every page, more as peers come. */
import { type Room, matchMaker } from "@colyseus/core";
import type { Logger } from "../ports.ts";
import { exemptRoomClass } from "./exempt-rooms.ts";
import { PEERS_PER_PAGE, type PeersSource, definePeersRoom } from "./peers-room.ts";

/** What the rooms are called, unless the host has a room of that name. */
const ROOM_NAME = "federation";
/** Each costs an update every two seconds: nobody leafs through more. */
const MAX_PAGES = 10;
const PAGES_CHECK_MILLISECONDS = 10_000;

/** The rooms of one federation. */
export class MonitorRooms {
  readonly #source: PeersSource;
  readonly #roomClass: ReturnType<typeof definePeersRoom>;
  readonly #logger: Logger;
  #name: string | undefined;
  readonly #rooms: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(source: PeersSource, logger: Logger) {
    this.#source = source;
    this.#logger = logger;
    this.#roomClass = definePeersRoom(source);
    exemptRoomClass(this.#roomClass);
  }

  /** Opens what is needed now, and further pages as more peers come. */
  async open(): Promise<void> {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      this.#openMissing().catch((cause: unknown) => {
        this.#logger.error("the monitor's page of peers could not be opened", cause);
      });
    }, PAGES_CHECK_MILLISECONDS);
    this.#timer.unref();
    await this.#openMissing();
  }

  /** Opens no more. The rooms stay, for whoever closes the server. */
  hold(): void {
    clearInterval(this.#timer);
  }

  /** Closes what is still open, and gives the name back. */
  async close(): Promise<void> {
    this.hold();
    this.#timer = undefined;
    const closing = this.#rooms.splice(0).map(async (roomId) => {
      // A server that has shut down has closed them all.
      const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
      await room?.disconnect();
    });
    await Promise.all(closing);
    if (this.#name !== undefined && this.#isOurs(this.#name)) matchMaker.removeRoomType(this.#name);
  }

  async #openMissing(): Promise<void> {
    const needed = Math.min(MAX_PAGES, Math.max(1, Math.ceil(this.#source.known / PEERS_PER_PAGE)));
    while (this.#rooms.length < needed) {
      const page = this.#rooms.length;
      const { roomId } = await matchMaker.handleCreateRoom(this.#freeName(), { page });
      this.#rooms.push(roomId);
    }
  }

  /** A name that is no room's of the host, who may define one at any time. */
  #freeName(): string {
    if (this.#name !== undefined && this.#isOurs(this.#name)) return this.#name;
    let name = ROOM_NAME;
    for (let number = 1; matchMaker.getAllHandlers()[name] !== undefined; number++) {
      name = number === 1 ? `${ROOM_NAME}-peers` : `${ROOM_NAME}-peers-${number}`;
    }
    if (name !== ROOM_NAME) {
      this.#logger.warn(
        `the room "${ROOM_NAME}" is this server's own: the monitor shows the peers as "${name}"`,
      );
    }
    matchMaker.defineRoomType(name, this.#roomClass);
    this.#name = name;
    return name;
  }

  #isOurs(name: string): boolean {
    return matchMaker.getAllHandlers()[name]?.klass === this.#roomClass;
  }
}
