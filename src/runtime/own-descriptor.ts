/** Our descriptor (PROTOCOL 2), signed anew every hour and whenever the keys change. */
import { PARTY_CAPABILITY } from "../custody/shared/party.ts";
import { WAY_HOME_CAPABILITY } from "../custody/shared/reservation.ts";
import { SUPPORTED_PROTOCOLS } from "../handshake/messages.ts";
import { TRUST_CAPABILITY } from "../handshake/trust-words.ts";
import { LINK_CAPABILITY } from "../http/link/opening.ts";
import { type DescriptorDocument, signDescriptor } from "../identity/descriptor.ts";
import { RECEIPTS_CAPABILITY } from "../identity/receipt.ts";
import { TRADE_CAPABILITY } from "../identity/trade.ts";
import type { Clock, Logger } from "../ports.ts";
import type { OwnKeys } from "./own-keys.ts";
import type { ResolvedOptions } from "./settings.ts";

type Told = "origin" | "name" | "endpoint" | "worlds" | "links" | "givesSeats" | "listing" | "game";

const LIFE_SECONDS = 24 * 3600;
const REFRESH_SECONDS = 3600;

/** What this server says of itself. */
export class OwnDescriptor {
  readonly #options: Pick<ResolvedOptions, Told>;
  readonly #keys: OwnKeys;
  readonly #clock: Clock;
  readonly #moves: readonly string[];
  readonly #logger: Pick<Logger, "warn">;
  #saidWhatIsLeftOut = false;
  #signed: { readonly document: DescriptorDocument; readonly at: number } | undefined;

  constructor({
    options,
    keys,
    clock,
    moves = [],
    logger,
  }: {
    readonly options: Pick<ResolvedOptions, Told>;
    readonly keys: OwnKeys;
    readonly clock: Clock;
    /** Statements of the moves that led here. Default: none did. */
    readonly moves?: readonly string[] | undefined;
    readonly logger: Pick<Logger, "warn">;
  }) {
    this.#moves = moves;
    this.#options = options;
    this.#keys = keys;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The document as it is served now. */
  async document(): Promise<DescriptorDocument> {
    const now = this.#clock.now();
    if (this.#signed === undefined || now - this.#signed.at > REFRESH_SECONDS * 1000) {
      const { origin, name, endpoint, worlds, listing, game } = this.#options;
      const { links, givesSeats = true } = this.#options;
      const document = await signDescriptor(
        {
          origin,
          name,
          endpoint,
          protocols: [
            ...SUPPORTED_PROTOCOLS,
            TRUST_CAPABILITY,
            PARTY_CAPABILITY,
            TRADE_CAPABILITY,
            RECEIPTS_CAPABILITY,
            ...(givesSeats ? [WAY_HOME_CAPABILITY] : []),
            ...(links ? [LINK_CAPABILITY] : []),
          ],
          worlds: Object.keys(worlds),
          listing,
          moves: this.#moves,
          game,
          validUntil: Math.floor(now / 1000) + LIFE_SECONDS,
        },
        this.#keys.ring,
      );
      this.#signed = { document, at: now };
      this.#sayOnceWhatIsLeftOut(document);
    }
    return this.#signed.document;
  }

  #sayOnceWhatIsLeftOut(document: DescriptorDocument): void {
    const missing = (["listing", "game"] as const).filter(
      (member) => this.#options[member] !== undefined && document[member] === undefined,
    );
    if (missing.length === 0 || this.#saidWhatIsLeftOut) return;
    this.#saidWhatIsLeftOut = true;
    this.#logger.warn(
      `this server's descriptor would be longer than anybody reads: ${missing.join(" and ")} is left out; say less of worlds in it`,
    );
  }

  /** The keys have changed: the next one asked for is signed anew. */
  renew(): void {
    this.#signed = undefined;
  }
}
