/** Says so when a server listens and the federation that was made for it is attached to none. */
import { matchMaker } from "@colyseus/core";
import type { Logger } from "../ports.ts";
import { isAttached } from "./auth-hooks.ts";
import type { Worlds } from "./seats.ts";

const CHECK_MILLISECONDS = 500;
/** A process that has no server by then needs none. */
const MAX_CHECKS = 600;

/** Watches until the federation is attached, or should have been. Keeps no process alive. */
export class ForgottenAttach {
  readonly #timer: NodeJS.Timeout;
  #checks = 0;
  /** A server of the same process may be there before this federation's. */
  #otherListens = listens();

  constructor({ worlds, logger }: { readonly worlds: Worlds; readonly logger: Logger }) {
    this.#timer = setInterval(() => {
      this.#checks += 1;
      if (!listens()) this.#otherListens = false;
      else if (!this.#otherListens && !isAttached()) {
        const names = Object.keys(worlds).join(", ") || "none";
        logger.error(
          `the server listens, but the federation made for it (worlds: ${names}) is not attached, so nobody can come or go: call federation.attach(server) before server.listen()`,
        );
        this.stop();
      }
      if (this.#checks >= MAX_CHECKS) this.stop();
    }, CHECK_MILLISECONDS);
    this.#timer.unref();
  }

  /** Watches no more. */
  stop(): void {
    clearInterval(this.#timer);
  }
}

function listens(): boolean {
  return matchMaker.state === matchMaker.MatchMakerState.READY;
}
