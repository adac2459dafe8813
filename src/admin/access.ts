/**
 * Who may see and decide what an operator does: whoever has the token, or whom the operator's own middleware
 * lets through.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, refusal, send } from "../http/inbound/answers.ts";
import type { Middleware } from "../http/inbound/middleware.ts";
import { customerOf } from "../http/inbound/rate-limits.ts";
import { Quota } from "../limits/quota.ts";
import type { Clock, Logger } from "../ports.ts";

/** How the admin page is guarded: one of both, or both. */
export interface AdminAccess {
  /** At least 32 characters; sent as `Authorization: Bearer`. */
  readonly token?: string | undefined;
  /**
   * The operator's own: lets a request through by `next()`, or answers it. Asked for every request below
   * `<endpoint>/admin`, within 10 s.
   */
  readonly guard?: AdminGuard | undefined;
}

/** A middleware of Express, sync or not. */
export type AdminGuard = (...given: Parameters<Middleware>) => unknown;

/** Shorter tokens can be guessed. */
export const MIN_TOKEN_LENGTH = 32;
const MAX_TOKEN_LENGTH = 1_024;
const GUARD_TIMEOUT_MILLISECONDS = 10_000;
/** Wrong tokens of one customer in a minute. */
const WRONG_PER_MINUTE = 10;

/** No peer and no player is told this: it has no code of theirs. */
const TOKEN_WANTED: Answer = {
  status: 401,
  contentType: "application/problem+json",
  body: { title: "The admin token is wanted, as Authorization: Bearer", status: 401 },
};

/** Options of {@link AdminGate}. */
export interface AdminGateOptions {
  readonly access: AdminAccess;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn" | "error">;
}

/** Lets operators in, and nobody else. */
export class AdminGate {
  readonly #options: AdminGateOptions;
  readonly #digest: Buffer | undefined;
  readonly #wrong: Quota;

  /** @throws TypeError where nothing guards it. */
  constructor(options: AdminGateOptions) {
    const { token, guard } = options.access;
    if (token === undefined && guard === undefined) {
      throw new TypeError(
        "admin: expected a token of at least 32 characters, or a guard; leave admin out for no admin page",
      );
    }
    this.#options = options;
    this.#digest = token === undefined ? undefined : digestOf(token);
    this.#wrong = new Quota({ clock: options.clock, perMinute: WRONG_PER_MINUTE });
  }

  /** Whether pages have to send a token. */
  get needsToken(): boolean {
    return this.#digest !== undefined;
  }

  /**
   * Whether the operator's own middleware lets a request through; where it does not, the request is answered
   * when this resolves. Without one, everything is let through.
   */
  guarded(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { access, clock, logger } = this.#options;
    const { guard } = access;
    if (guard === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      let decided = false;
      const decide = (letIn: boolean): void => {
        if (decided) return;
        decided = true;
        clock.clearTimeout(timer);
        response.off("close", closed);
        resolve(letIn);
      };
      const closed = (): void => {
        decide(false);
      };
      const fail = (cause: unknown): void => {
        if (decided) return;
        logger.error("the guard of the admin page failed, and nobody is let in", cause);
        send(response, refusal("ERR_FED_UNAVAILABLE"));
        decide(false);
      };
      const timer = clock.setTimeout(() => {
        fail(new Error("it did not answer within 10 s"));
      }, GUARD_TIMEOUT_MILLISECONDS);
      response.on("close", closed);
      try {
        // One that is async may reject.
        const running = guard(request, response, (error?: unknown) => {
          if (error !== undefined && error !== null) fail(error);
          else decide(!response.headersSent && !response.destroyed);
        });
        if (running instanceof Promise) running.catch(fail);
      } catch (cause) {
        fail(cause);
      }
    });
  }

  /** Whether a request has the token; where it has not, it is answered. */
  authorized(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#digest === undefined) return true;
    const customer = customerOf(request) ?? "";
    const [scheme = "", token = ""] = (request.headers.authorization ?? "").split(" ", 2);
    const named = scheme.toLowerCase() === "bearer" && token.length <= MAX_TOKEN_LENGTH;
    if (named && timingSafeEqual(digestOf(token), this.#digest)) return true;
    // Who sends none has not guessed.
    const wait = token === "" ? 0 : this.#wrong.take(customer);
    if (wait > 0) {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, wait));
      return false;
    }
    if (token !== "") {
      this.#options.logger.warn(`a wrong token for the admin page came from ${customer}`);
    }
    response.setHeader("WWW-Authenticate", 'Bearer realm="federation"');
    send(response, TOKEN_WANTED);
    return false;
  }
}

/** Tokens of whatever length are compared in the same time. */
function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
