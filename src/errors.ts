/**
 * Every coded refusal of the project, and the error that carries one.
 *
 * A code is a contract: it is what a peer, a client or an operator acts on (PROTOCOL section 11).
 */

/** Code → HTTP status and the short title of its problem document. */
export const ERROR_CODES = {
  // The request itself
  ERR_FED_BODY_TOO_LARGE: [413, "The body is larger than this server reads"],
  ERR_FED_MALFORMED: [400, "The request is not of the form the protocol asks for"],
  ERR_FED_NOT_FOUND: [404, "Nothing is served at this path"],
  ERR_FED_METHOD_NOT_ALLOWED: [405, "This path does not take that method"],
  ERR_FED_RATE_LIMITED: [429, "Too many requests"],
  ERR_FED_STORE_UNAVAILABLE: [503, "The server's store does not answer"],
  ERR_FED_UNAVAILABLE: [503, "The server cannot serve this right now"],
  ERR_FED_ROW_DAMAGED: [
    503,
    "What this server has stored of it is damaged: its operator has to act",
  ],
  // Signatures (PROTOCOL 3)
  ERR_FED_SIGNATURE_MISSING: [401, "No signature with tag aether-federation"],
  ERR_FED_SIGNATURE_AMBIGUOUS: [401, "More than one signature with tag aether-federation"],
  ERR_FED_SIGNATURE_MALFORMED: [400, "The signature headers cannot be parsed"],
  ERR_FED_SIGNATURE_COMPONENTS: [401, "The signature does not cover the required components"],
  ERR_FED_SIGNATURE_PARAMETERS: [401, "A required signature parameter is missing or wrong"],
  ERR_FED_WRONG_RECIPIENT: [421, "The request is meant for another server"],
  ERR_FED_SIGNATURE_INVALID: [401, "The signature does not verify"],
  ERR_FED_DIGEST_MISMATCH: [401, "The body does not match its digest"],
  ERR_FED_CLOCK_SKEW: [401, "The clocks of the two servers are too far apart"],
  ERR_FED_SIGNATURE_EXPIRED: [401, "The signature has expired or lives too long"],
  ERR_FED_REPLAYED: [401, "This message has been used before"],
  ERR_FED_UNKNOWN_KEY: [401, "The key is not pinned for that origin"],
  // Keys and descriptors (PROTOCOL 2)
  ERR_FED_WEAK_KEY: [400, "The public key is malformed, non-canonical or of small order"],
  ERR_FED_DESCRIPTOR_INVALID: [400, "The server descriptor does not verify"],
  ERR_FED_DESCRIPTOR_EXPIRED: [400, "The server descriptor has expired"],
  ERR_FED_KEY_CHANGED: [403, "The server's key changed and no pinned key vouches for the new one"],
  // Moves (PROTOCOL 2)
  ERR_FED_MOVED: [410, "The server has moved to another origin"],
  ERR_FED_MOVE_INVALID: [403, "The statement of a move does not hold"],
  ERR_FED_MOVE_CONFLICT: [403, "The move contradicts what this server knows already"],
  ERR_FED_MOVE_DOUBTED: [403, "The move is in doubt until the old origin confirms it"],
  // Handshake and trust (PROTOCOL 4)
  ERR_FED_HANDSHAKE_REQUIRED: [401, "No live session: perform the handshake first"],
  ERR_FED_HANDSHAKE_UNKNOWN: [401, "No such open handshake"],
  ERR_FED_HANDSHAKE_EXPIRED: [401, "The handshake was not completed in time"],
  ERR_FED_HANDSHAKE_PROOF: [401, "The handshake proof does not verify"],
  ERR_FED_HANDSHAKE_MISMATCH: [
    400,
    "The handshake message is not for this server or this challenge",
  ],
  ERR_FED_PROTOCOL_UNSUPPORTED: [400, "No protocol version in common"],
  ERR_FED_NOT_TRUSTED: [403, "This server has not been approved by the operator"],
  ERR_FED_BLOCKED: [403, "This server or key is blocked"],
  ERR_FED_TOO_MANY_PEERS: [503, "This server knows as many peers as it is configured for"],
  // Passes, proofs, seats (PROTOCOL 5 and 7)
  ERR_FED_PASS_INVALID: [403, "The pass does not verify"],
  ERR_FED_PASS_EXPIRED: [403, "The pass has expired or lives too long"],
  ERR_FED_PASS_AUDIENCE: [403, "The pass is for another server"],
  ERR_FED_PASS_ISSUER: [403, "The pass is from a server that is not trusted here"],
  ERR_FED_PASS_SOURCE: [403, "The pass names another source than the caller"],
  ERR_FED_PASS_TRANSFER: [403, "The pass is for another transfer"],
  ERR_FED_PASS_WORLD: [403, "The pass is for another world"],
  ERR_FED_PASS_REUSED: [403, "The pass has been used for another transfer"],
  ERR_FED_PROOF_REQUIRED: [403, "This seat is bound to a key: a proof of possession is required"],
  ERR_FED_PROOF_INVALID: [403, "The proof of possession does not verify"],
  ERR_FED_PROOF_REPLAYED: [403, "The proof of possession has been used before"],
  ERR_FED_DELEGATION_INVALID: [403, "The delegation of the player's key does not verify"],
  ERR_FED_HAND_OVER_FAILED: [409, "The player could not be handed over from page to page"],
  ERR_FED_SEAT_UNKNOWN: [403, "The seat is not there any more"],
  ERR_FED_SEAT_BUSY: [409, "The seat is being taken by another connection"],
  ERR_FED_WORLD_UNKNOWN: [404, "This server has no such world"],
  ERR_FED_WORLD_FULL: [409, "The world is full"],
  ERR_FED_WORLD_LOCKED: [409, "The world is locked"],
  ERR_FED_KEY_REMOVED: [403, "This key is the player's no more"],
  ERR_FED_KEY_IN_USE: [409, "This key belongs to another player"],
  ERR_FED_LAST_KEY: [409, "A player keeps one key at least"],
  ERR_FED_TOO_MANY_KEYS: [409, "The player has as many keys as a player may have"],
  ERR_FED_KEY_LOST: [409, "The browser has the player's locked key no more"],
  ERR_FED_ADMISSION_REFUSED: [403, "The destination does not admit this player"],
  ERR_FED_TOO_MANY_VISITORS: [
    409,
    "The destination has as many visitors of that server as it takes",
  ],
  ERR_FED_JOIN_REFUSED: [403, "The room did not let the player in"],
  // Custody (PROTOCOL 6)
  ERR_FED_STALE_CUSTODY: [409, "Somebody decided before you"],
  ERR_FED_TRANSFER_CANCELLED: [409, "The transfer was cancelled"],
  ERR_FED_TRANSFER_UNKNOWN: [409, "No such open transfer"],
  ERR_FED_NOT_DESTINATION: [403, "Only the transfer's destination may claim it"],
  ERR_FED_NOT_HOME: [403, "Only the player's home may do this"],
  ERR_FED_AWAY: [409, "The player is in another world"],
  ERR_FED_STATE_INVALID: [
    422,
    "What the player carries is no JSON, too deep or too large to travel",
  ],
  ERR_FED_SUPERSEDED: [409, "The player joined from somewhere else"],
  // Parties (PROTOCOL 6 and 7)
  ERR_FED_PARTY_UNSUPPORTED: [400, "Parties cannot go there"],
  ERR_FED_PARTY_UNDECIDED: [409, "The player's party is being decided"],
  ERR_FED_PARTY_BROKEN: [409, "Somebody of the party could not come"],
  // Trades (PROTOCOL 6)
  ERR_FED_TRADE_ITEM: [409, "The player has no such item to give"],
  ERR_FED_TRADE_UNSUPPORTED: [409, "The other home knows no trades"],
  ERR_FED_TRADE_REFUSED: [409, "The item is not taken"],
  ERR_FED_TRADE_BUSY: [409, "Too many items of the player are on their way"],
  // Crossings, as a player meets them
  ERR_FED_NO_ROUTE: [404, "No portal leads there"],
  ERR_FED_DESTINATION_DOWN: [503, "The other server does not answer"],
  ERR_FED_CROSSING_EXPIRED: [409, "The crossing took too long"],
  ERR_FED_CROSSING_ABANDONED: [409, "The crossing was given up"],
  ERR_FED_CROSSING_BUSY: [409, "The player is crossing already"],
  ERR_FED_NOT_A_PLAYER: [403, "This connection is not a player of the federation"],
  // Assets (PROTOCOL 9)
  ERR_FED_ASSET_HASH_INVALID: [400, "The hash is neither sha256-, sha384-, sha512- (SRI) nor hex"],
  ERR_FED_ASSET_UNKNOWN: [404, "This server has no such asset"],
  ERR_FED_ASSET_MISMATCH: [424, "The asset's bytes are not those its hash names"],
  ERR_FED_ASSET_TOO_LARGE: [413, "The asset is larger than this server takes"],
  ERR_FED_ASSET_TYPE: [415, "The asset is not of a type this server takes"],
  ERR_FED_ASSET_MANIFEST: [400, "The asset manifest does not verify"],
  ERR_FED_ASSET_STORE_FULL: [503, "There is no room left for assets"],
  ERR_FED_ASSET_UNAVAILABLE: [424, "No server that was asked could deliver the asset"],
  // Our own calls to others. What others cause is no 5xx: a proxy would take this server for a dead one
  ERR_FED_UNREACHABLE: [424, "The other server cannot be reached"],
  ERR_FED_TIMEOUT: [424, "The other server did not answer in time"],
  ERR_FED_RESPONSE_TOO_LARGE: [424, "The other server's answer is too large"],
  ERR_FED_BAD_RESPONSE: [424, "The other server's answer does not verify"],
  ERR_FED_FORBIDDEN_ADDRESS: [424, "The other server's address is not one this server calls"],
  // This server's own configuration
  ERR_FED_STORE_IN_USE: [500, "Another process has the store"],
  ERR_FED_STORE_NEWER: [500, "A newer version of this server has written the store"],
  ERR_FED_STORE_IDENTITY: [500, "The key and the store do not belong together"],
  ERR_FED_STORE_WITHOUT_CAS: [500, "The store has no compare-and-set"],
  ERR_FED_INCOMPATIBLE_COLYSEUS: [500, "This version of Colyseus is not supported"],
  ERR_FED_KEY_FILE: [500, "The key file cannot be used"],
} as const satisfies Record<`ERR_FED_${string}`, readonly [status: number, title: string]>;

/** The closed set of codes. */
export type FederationErrorCode = keyof typeof ERROR_CODES;

/** Whether `value` is one of {@link ERROR_CODES}. */
export function isFederationErrorCode(value: unknown): value is FederationErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_CODES, value);
}

/** An operational failure with a code. Its message says what to do next and holds no secret. */
export class FederationError extends Error {
  override readonly name = "FederationError";
  /** What went wrong, for programs. */
  readonly code: FederationErrorCode;
  /** Seconds after which trying again may help. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: FederationErrorCode,
    message?: string,
    options: { cause?: unknown; retryAfterSeconds?: number | undefined } = {},
  ) {
    super(
      message ?? ERROR_CODES[code][1],
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The HTTP status PROTOCOL 11 gives this code. */
  get status(): number {
    return ERROR_CODES[this.code][0];
  }
}

/** A verification's refusal: data, never thrown. */
export interface Refusal {
  readonly verified: false;
  readonly code: FederationErrorCode;
  /** What exactly was wrong, safe to show to the sender. */
  readonly reason: string;
}

/** Builds a {@link Refusal}. */
export function refuse(code: FederationErrorCode, reason: string): Refusal {
  return { verified: false, code, reason };
}

/** Answer to a call from a peer: a 200 body, or a coded refusal. */
export type CallAnswer =
  | { readonly ok: true; readonly body: unknown }
  | {
      readonly ok: false;
      readonly code: FederationErrorCode;
      readonly reason: string;
      readonly retryAfterSeconds?: number;
    };

/** By which another server says that it does not deal with this one until somebody mends it. */
const TRUST_REFUSALS: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_BLOCKED",
  "ERR_FED_CLOCK_SKEW",
  "ERR_FED_DESCRIPTOR_EXPIRED",
  "ERR_FED_DESCRIPTOR_INVALID",
  "ERR_FED_HANDSHAKE_REQUIRED",
  "ERR_FED_KEY_CHANGED",
  "ERR_FED_MOVED",
  "ERR_FED_MOVE_CONFLICT",
  "ERR_FED_MOVE_DOUBTED",
  "ERR_FED_MOVE_INVALID",
  "ERR_FED_NOT_TRUSTED",
  "ERR_FED_SIGNATURE_EXPIRED",
  "ERR_FED_TOO_MANY_PEERS",
  "ERR_FED_UNKNOWN_KEY",
  "ERR_FED_WEAK_KEY",
  "ERR_FED_WRONG_RECIPIENT",
]);

/** Whether a code says that another server does not deal with this one until somebody mends it. */
export function isTrustRefusal(code: FederationErrorCode): boolean {
  return TRUST_REFUSALS.has(code);
}

/** What a player is told of why another server refuses; undefined where only that server knows. */
export function refusalSentence(code: FederationErrorCode): string | undefined {
  switch (code) {
    case "ERR_FED_BLOCKED":
      return "The other server does not take players from this one.";
    case "ERR_FED_PASS_ISSUER":
      return "The other server does not take players from your home.";
    case "ERR_FED_RATE_LIMITED":
    case "ERR_FED_UNAVAILABLE":
    case "ERR_FED_STORE_UNAVAILABLE":
      return "The other server is too busy right now. Try again in a moment.";
    default:
      return isTrustRefusal(code)
        ? "The other server does not let players of this one in right now. The operators can read why."
        : undefined;
  }
}

/**
 * How it is told that a call to another server got no answer of it: by the true code, where the other
 * server said one, else by `unreachable`.
 */
export function failureOf(
  cause: unknown,
  unreachable: { readonly code: FederationErrorCode; readonly message: string },
): { readonly code: FederationErrorCode; readonly message: string } {
  const code = cause instanceof FederationError ? cause.code : undefined;
  const message = code === undefined ? undefined : refusalSentence(code);
  return code === undefined || message === undefined ? unreachable : { code, message };
}
