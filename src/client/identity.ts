/** Who travels: the player's home, its account or its key, and the name it wishes for. */
import { codeAndSentence } from "./ending.ts";
import { PlayerKey, type ProofUse, type ProvingKey } from "./player-key.ts";
import { type KeyStorage, storageOf } from "./storage.ts";
import type { Visit } from "./visit.ts";
import type { Whereabouts } from "./whereabouts.ts";

type MaybeToken = string | null | undefined;

/** A host's own auth token, or how to get the present one; none: nobody is logged in. */
export type HostToken = string | (() => MaybeToken | Promise<MaybeToken>);

/** What a connection shows. */
export interface Login {
  /** The Colyseus auth token of matchmaking. */
  readonly token: string | undefined;
  /** The Colyseus auth token of the WebSocket. */
  readonly connection: string | undefined;
}

/** Storage has not given or taken the key. */
export interface StorageTrouble {
  /** For the player. */
  readonly message: string;
  /** What storage threw. */
  readonly cause: unknown;
}

const CLOCK = /clock says (\d{9,11})\b/u;
/** A clock that is wrong by less is right enough: servers allow for as much (PROTOCOL 5). */
const RIGHT_MILLISECONDS = 5_000;
const MAX_CLOCKS = 32;

/** One player, as its home and others know it. */
export class Identity {
  /** Name the player wishes to be shown with. */
  readonly name: string | undefined;
  /** Absent for a guest. */
  readonly key: ProvingKey | undefined;
  /** Whether the key is kept, so that another page of this origin has it, too. */
  readonly isKept: boolean = false;
  /** Why the key is not the one that is kept, or will not be kept. */
  readonly trouble: StorageTrouble | undefined;
  readonly #token: HostToken | undefined;
  readonly #visit: Visit | undefined;
  /** How far a server's clock is ahead of ours: its own word, which counts for its own proofs alone. */
  readonly #ahead = new Map<string, number>();
  #home: string;
  #playerId: string | undefined;

  /**
   * @param home URL of the home server.
   * @param options As `Traveler` has them.
   * @param visit The key that acts for the player's own, on a page that it was handed over to.
   * @throws TypeError when `home` is no URL of a server, or an option is wrong.
   */
  constructor(
    home: string | URL,
    {
      name,
      storage,
      token,
    }: {
      readonly name?: string | undefined;
      readonly storage?: KeyStorage | null | undefined;
      readonly token?: HostToken | undefined;
    },
    visit?: Visit,
  ) {
    this.#home = originOf(home);
    this.name = name;
    if (token !== undefined && typeof token !== "string" && typeof token !== "function") {
      throw new TypeError("token must be a text or a function");
    }
    this.#token = token;
    this.#visit = visit;
    if (visit !== undefined) {
      this.key = visit.key;
      return;
    }
    const kept = storageOf("storage", storage, "localStorage");
    if (kept === null) return;
    try {
      this.key = kept === undefined ? PlayerKey.generate() : PlayerKey.load(kept);
      this.isKept = kept !== undefined;
    } catch (cause) {
      this.key = PlayerKey.generate();
      const message = "Who you are cannot be kept here: you are somebody new for this visit.";
      this.trouble = { message, cause };
    }
  }

  /** Origin of the player's home server. */
  get home(): string {
    return this.#home;
  }

  /** `<local id>@<home authority>` where the key is the account; known after a login without a token. */
  get playerId(): string | undefined {
    return this.#playerId;
  }

  /**
   * Goes by the name that home has for itself, since proofs are for that name: `http://127.0.0.1` may be
   * `http://localhost`. Anywhere else, a server that is asked for a login of another one is refused it.
   *
   * @throws Error `ERR_FED_WRONG_RECIPIENT`.
   */
  async findHome(whereabouts: Whereabouts, signal: AbortSignal): Promise<void> {
    if (this.key === undefined || this.#visit !== undefined) return;
    const says = await whereabouts.nameOf(this.#home, signal);
    if (says === undefined || says === this.#home) return;
    if (!isSameMachine(this.#home, says)) {
      throw new Error(
        `ERR_FED_WRONG_RECIPIENT: the server at ${this.#home} says that it is ${says}: log in there.`,
      );
    }
    this.#home = says;
  }

  /** Makes the player id, where it is known before any login: the key's, where no token is in play. */
  async learnPlayerId(): Promise<void> {
    if (this.#token === undefined && this.#visit === undefined) await this.#playerIs(undefined);
  }

  /** The host's own token of this moment. @throws TypeError for anything but a text or nothing. */
  async token(): Promise<string | undefined> {
    const token: unknown = typeof this.#token === "function" ? await this.#token() : this.#token;
    if (token === undefined || token === null || token === "") return undefined;
    if (typeof token !== "string") throw new TypeError("token must return a text or undefined");
    return token;
  }

  /** What a login at home shows. */
  async login(): Promise<Login> {
    const token = await this.token();
    const proof = await this.prove(this.#home, "login");
    await this.#playerIs(token);
    return { token: token ?? proof, connection: beside(proof, token) };
  }

  /** What `POST` of that name at home shows: the bearer token, and a proof beside one of the host's. */
  async shows(
    use: "travel" | "hand-over",
  ): Promise<{ readonly bearer: string; readonly proof: string | undefined }> {
    const token = await this.token();
    const proof = await this.prove(this.#home, use);
    await this.#playerIs(token);
    const bearer = token ?? proof;
    if (bearer === undefined) {
      throw new TypeError("travelling without a room needs a key or a token");
    }
    return { bearer, proof: token === undefined ? undefined : proof };
  }

  /** What the connection to a seat shows: home alone sees the host's token. */
  async seat(origin: string, sessionId: string): Promise<Login> {
    const proof = await this.prove(origin, { seat: sessionId });
    const token = origin === this.#home ? await this.token() : undefined;
    const delegation = this.#visit?.beside(sessionId);
    return { token: undefined, connection: beside(proof, delegation ?? token) };
  }

  /** A proof of the key for that use, by the clock of the server it is for; undefined for a guest. */
  async prove(audience: string, use: ProofUse): Promise<string | undefined> {
    return this.key?.prove(audience, use, this.timeOf(audience));
  }

  /** What time it is by a server's clock, in Unix milliseconds, as far as it has said. */
  timeOf(origin: string): number {
    return Date.now() + (this.#ahead.get(origin) ?? 0);
  }

  /** Whether a server's refusal says that our clock is wrong, by how much being new: a try is worth it. */
  learnTime(origin: string, error: unknown): boolean {
    const text = error instanceof Error ? error.message : "";
    if (codeAndSentence(text).code !== "ERR_FED_PROOF_INVALID") return false;
    const seconds = Number(CLOCK.exec(text)?.[1]);
    const ahead = seconds * 1000 - Date.now();
    const isNew = Math.abs(ahead - (this.#ahead.get(origin) ?? 0)) > RIGHT_MILLISECONDS;
    if (!isNew) return false;
    if (this.#ahead.size >= MAX_CLOCKS) this.#ahead.clear();
    this.#ahead.set(origin, ahead);
    return true;
  }

  /** Makes the player id of the key, where the key is the account and the platform can. */
  async #playerIs(token: string | undefined): Promise<void> {
    const authority = new URL(this.#home).host;
    this.#playerId =
      token === undefined
        ? await this.key?.thumbprint().then(
            (thumbprint) => `key-${thumbprint}@${authority}`,
            () => undefined,
          )
        : undefined;
  }
}

/** A proof, and the host's token or a delegation, in one (PROTOCOL 5). */
function beside(proof: string | undefined, token: string | undefined): string | undefined {
  return proof === undefined || token === undefined ? (proof ?? token) : `${proof}~${token}`;
}

function originOf(home: string | URL): string {
  const text = String(home);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^(?:http|ws)s?:$/u.test(url.protocol)) {
    throw new TypeError(
      `home must be the URL of the player's home server, e.g. "https://a.example", got "${text}"`,
    );
  }
  return new URL(url.href.replace(/^ws/u, "http")).origin;
}

/** Whether two origins are loopback addresses of one port. */
function isSameMachine(one: string, other: string): boolean {
  const [a, b] = [new URL(one), new URL(other)];
  return (
    [a, b].every(({ hostname }) =>
      /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/u.test(hostname),
    ) &&
    a.port === b.port &&
    a.protocol === b.protocol
  );
}
