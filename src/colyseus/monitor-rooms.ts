/** The room that shows the peers in the Colyseus monitor: opened with the server, and again when somebody disposes it. */
import { type Room, matchMaker } from "@colyseus/core";
import type { Logger } from "../ports.ts";
import { exemptRoomClass } from "./exempt-rooms.ts";
import { type PeersSource, definePeersRoom } from "./peers-room.ts";

/** What the room is called, unless the host has a room of that name. */
const ROOM_NAME = "federation";
/** Whoever disposes it again and again has it back so often. */
const REOPEN_MILLISECONDS = 1_000;

/** The room of one federation. */
export class MonitorRooms {
  readonly #roomClass: ReturnType<typeof definePeersRoom>;
  readonly #logger: Logger;
  #name: string | undefined;
  #roomId: string | undefined;
  #isOpen = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: PeersSource, logger: Logger) {
    this.#logger = logger;
    this.#roomClass = definePeersRoom(source, () => {
      this.#comeBack();
    });
    exemptRoomClass(this.#roomClass);
  }

  /** Opens it. */
  async open(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    await this.#open();
  }

  /** Opens it no more. The room stays, for whoever closes the server. */
  hold(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  }

  /** Closes what is still open, and gives the name back. */
  async close(): Promise<void> {
    this.hold();
    // A server that has shut down has closed it.
    const room =
      this.#roomId === undefined
        ? undefined
        : (matchMaker.getLocalRoomById(this.#roomId) as Room | undefined);
    this.#roomId = undefined;
    await room?.disconnect();
    if (this.#name !== undefined && this.#isOurs(this.#name)) matchMaker.removeRoomType(this.#name);
  }

  async #open(): Promise<void> {
    const { roomId } = await matchMaker.handleCreateRoom(this.#freeName(), {});
    this.#roomId = roomId;
  }

  #comeBack(): void {
    if (!this.#isOpen) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#isOpen) return;
      this.#open().catch((cause: unknown) => {
        this.#logger.error("the monitor's room of peers could not be opened again", cause);
        this.#comeBack();
      });
    }, REOPEN_MILLISECONDS);
    this.#timer.unref();
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
