/**
 * The room plugin: portals out of a room, and who its players are.
 *
 *   plugins = definePlugins([federation.portals({ carry: (client) => … })]);
 *   this.plugins.federation.enter(client, "aether://arena.example.org/pit");
 *
 * What it costs: nothing for a player who stays. While a crossing is open the player is frozen: its
 * messages are not delivered, and a room that moves players by itself must ask `isFrozen`.
 */
import * as core from "@colyseus/core";
import type { Client, Room } from "@colyseus/core";
import { z } from "zod";
import { type IfSomeCannot, MAX_PARTY_MEMBERS } from "../custody/shared/party.ts";
import type { PartyOutcome } from "../custody/source/parties.ts";
import type { CrossingOutcome } from "../custody/source/crossings.ts";
import type { GiftOutcome } from "../custody/holder/giving.ts";
import type { ImportNotice } from "../custody/home/import-notices.ts";
import type { ImportPreview } from "../custody/home/import-policy.ts";
import type { Destination, Destinations } from "./destinations.ts";
import type { EntryForecast } from "./entry-forecast.ts";
import type { FederatedPlayer } from "./federated-player.ts";
import { GIFT_OPTIONS, type GiftOptions } from "./gift-options.ts";
import type { JoinRefusal } from "./refusal.ts";
import type { JsonValue } from "../json.ts";
import { Quota } from "../limits/quota.ts";
import { checkOptions, customOption, optionsSchema } from "../options.ts";
import { withinMilliseconds } from "../custody/shared/deadlines.ts";
import { systemClock } from "../ports.ts";

/**
 * What a room may say a player carries: JSON, and in it whatever says JSON by `toJSON` (a Colyseus
 * `Schema`). An undefined member is one that is not there; undefined for the whole: the room does not
 * say, and what is known stays. Describe a shape by `type`: to the compiler, an `interface` may have
 * any members.
 */
export type Carried =
  | JsonValue
  | { toJSON(): unknown }
  | readonly Carried[]
  | { readonly [member: string]: Carried }
  | undefined;

/** Options of `federation.portals`. */
export interface PortalsOptions {
  /**
   * What the player carries, as JSON of at most 32 KiB and 32 levels: asked when it departs, leaves
   * and at every renewal. Without it, home keeps what it knows. What JSON cannot say as it is (Map,
   * Set, Promise, an instance of a class, NaN) is a failed answer: the last good one is kept, the
   * log names the place, and the player cannot pass a portal meanwhile.
   */
  readonly carry?: (client: Client) => Carried;
  /**
   * Home did not keep all of what the player carried at another server: told when it next plays at
   * home. Its client hears the same by `federation:kept`.
   */
  readonly onKept?: (client: Client, notice: ImportNotice) => void;
  /** Called when nobody may simulate the player any more, e.g. to take it off the board. */
  readonly freeze?: (client: Client) => void;
  /** Called when the player may be simulated again. */
  readonly unfreeze?: (client: Client) => void;
  /**
   * Whether clients may ask to cross by themselves (`federation:enter`), or a function that decides
   * for one URI. Default: false, only the room's own code sends players through portals.
   */
  readonly allowEnter?: boolean | ((client: Client, uri: string) => boolean);
  /**
   * When the other server has the files that the player's belongings name: `before-arrival` keeps
   * the player here until all of them are there, or sends it nowhere when one of them cannot be had
   * unharmed; `lazy` lets it go at once. Default `lazy`.
   */
  readonly assets?: "before-arrival" | "lazy";
  /**
   * Whether clients are told where they could go (`federation:destinations`): all of it when they join, then what
   * changes, at most every two seconds. Default false.
   */
  readonly destinations?: boolean;
}

/** Options of {@link Party.enter}. */
export interface PartyOptions {
  /**
   * What becomes of the others when one member cannot go: `nobody` goes, and all play on with the same reason; or the
   * `others` go. Default `nobody`.
   */
  readonly ifSomeCannot?: IfSomeCannot;
}

/** Several players of one room. */
export interface Party {
  /**
   * Sends all of them through a portal. Resolves with how it ended; clients are told by `federation:transit`,
   * `federation:party` and `federation:failed` (PROTOCOL 8). Never rejects for what other servers or the network do:
   * within half a minute or so, longer only while the store, or a home, does not answer.
   *
   * @throws TypeError naming the option that is wrong.
   */
  enter(uri: string, options?: PartyOptions): Promise<PartyOutcome>;
}

/** What the plugin asks of the federation it belongs to. */
export interface PortalsHost {
  /** Says so when the federation does not run while a room of that name is made. */
  noticeRoom(roomName: string): void;
  enter(room: Room, client: Client, uri: string): Promise<CrossingOutcome>;
  enterTogether(
    room: Room,
    clients: readonly Client[],
    uri: string,
    ifSomeCannot: IfSomeCannot,
  ): Promise<PartyOutcome>;
  abandon(room: Room, client: Client, transferId: string | undefined): void;
  handedOver(room: Room, client: Client, transferId: string): void;
  player(room: Room, client: Client): FederatedPlayer | undefined;
  isFrozen(room: Room, client: Client): boolean;
  preview(room: Room, client: Client): Promise<ImportPreview | undefined>;
  canEnter(room: Room, client: Client, uri: string): Promise<EntryForecast>;
  receipt(room: Room, client: Client): Promise<string | undefined>;
  give(room: Room, client: Client, gift: GiftOptions): Promise<GiftOutcome>;
  gives(client: Client, message: unknown): void;
  keep(room: Room, client: Client, token: unknown): Promise<{ ok: true } | JoinRefusal>;
  readonly destinations: Pick<Destinations, "list" | "onChange">;
}

const PORTALS_OPTIONS = optionsSchema(
  {
    carry: customOption("a function").optional(),
    onKept: customOption("a function").optional(),
    freeze: customOption("a function").optional(),
    unfreeze: customOption("a function").optional(),
    allowEnter: customOption(
      "true, false or a function",
      (value) => typeof value === "boolean" || typeof value === "function",
    ).optional(),
    assets: z.enum(["before-arrival", "lazy"], '"before-arrival" or "lazy"').optional(),
    destinations: z.boolean("true or false").optional(),
  } satisfies Record<keyof PortalsOptions, z.ZodType>,
  "options such as { carry: (client) => … }",
);

const PARTY_OPTIONS = optionsSchema(
  {
    ifSomeCannot: z.enum(["nobody", "others"], '"nobody" or "others"').optional(),
  } satisfies Record<keyof PartyOptions, z.ZodType>,
  'options such as { ifSomeCannot: "nobody" }',
);

const enterSchema = z.object({ to: z.string().max(2048) });
const keepSchema = z.object({ proof: z.string().max(2048) });
/** Of `federation:handed-over`; of `federation:cancel`, where the crossing is told of. */
const transferSchema = z.object({ transferId: z.string().max(64) });
const cancelSchema = z.object({ transferId: z.string().max(64).nullish() }).nullish();

/** Previews that one player may ask for in a minute, in whatever rooms of this process. */
const PREVIEWS_PER_MINUTE = 30;
const previews = new Quota({ clock: systemClock, perMinute: PREVIEWS_PER_MINUTE });
/** Portals that one player may ask about in a minute: each is a call to another server. */
const FORECASTS_PER_MINUTE = 30;
const forecasts = new Quota({ clock: systemClock, perMinute: FORECASTS_PER_MINUTE });

/** A home that does not answer is asked again for a minute; a client that waits for its receipt is told sooner. */
const RECEIPT_MILLISECONDS = 5_000;

/** The messages that a client of the federation sends to a room (PROTOCOL 8). */
export const FEDERATION_MESSAGES: ReadonlySet<string> = new Set([
  "federation:enter",
  "federation:preview",
  "federation:can-enter",
  "federation:receipt",
  "federation:cancel",
  "federation:keep",
  "federation:give",
  "federation:handed-over",
]);

/** The `federation` plugin of a room. */
export class FederationPortals extends core.RoomPlugin {
  override readonly pluginName = "federation" as const;
  readonly #host: PortalsHost;
  readonly #options: PortalsOptions;
  /** Session ids of clients whose preview is under way. */
  readonly #asking = new Set<string>();
  /** Session ids of guests who are getting a key. */
  readonly #keeping = new Set<string>();
  /** Session ids of clients that are about to be told their receipt. */
  readonly #telling = new Set<string>();
  #stopTelling: (() => void) | undefined;

  /** @throws TypeError naming the option that is wrong. */
  constructor(host: PortalsHost, options: PortalsOptions = {}) {
    super();
    this.#host = host;
    this.#options = checkOptions<PortalsOptions>(PORTALS_OPTIONS, options, "portals");
  }

  protected override onCreate(): void {
    this.#host.noticeRoom(this.room.roomName);
    if (this.#options.destinations !== true) return;
    this.#stopTelling = this.#host.destinations.onChange((change) => {
      this.room.broadcast("federation:destinations", { whole: false, ...change });
    });
    const { room } = this;
    const onReconnect = room.onReconnect?.bind(room);
    // A page that was reloaded knows nothing any more, and Colyseus tells plugins nothing of it.
    room.onReconnect = async (client: Client) => {
      await onReconnect?.(client);
      this.#tell(client);
    };
  }

  protected override onJoin(client: Client): void {
    if (this.#options.destinations === true) this.#tell(client);
  }

  #tell(client: Client): void {
    const destinations = this.destinations();
    client.send("federation:destinations", { whole: true, destinations, removed: [] });
  }

  protected override onDispose(): void {
    this.#stopTelling?.();
  }

  protected override messages = {
    "federation:enter": (client: Client, message: unknown): void => {
      const request = enterSchema.safeParse(message);
      // The room's own `allowEnter` is not asked about a player whom nobody may simulate.
      if (!request.success || this.isFrozen(client)) return;
      const { allowEnter = false } = this.#options;
      const { to } = request.data;
      const allowed = typeof allowEnter === "function" ? allowEnter(client, to) : allowEnter;
      if (allowed) void this.enter(client, to);
    },
    "federation:preview": (client: Client): void => {
      // Each is a call to the player's home: one at a time, and not without end.
      if (this.#asking.has(client.sessionId)) return;
      const player = this.player(client)?.id ?? "";
      if (previews.take(player) > 0) {
        client.send("federation:preview", { losses: null });
        return;
      }
      this.#asking.add(client.sessionId);
      void this.preview(client)
        .then((preview) => {
          const { losses = null, why } = preview ?? {};
          client.send("federation:preview", { losses, ...(why === undefined ? {} : { why }) });
        })
        .finally(() => this.#asking.delete(client.sessionId));
    },
    "federation:can-enter": (client: Client, message: unknown): void => {
      const request = enterSchema.safeParse(message);
      if (!request.success) return;
      const { to } = request.data;
      const unknown = { to, mayEnter: "unknown", room: "unknown" } as const;
      const answer = (said: EntryForecast): void => {
        client.send("federation:can-enter", said);
      };
      if (forecasts.take(this.player(client)?.id ?? "") > 0) {
        const [code, sentence] = ["ERR_FED_RATE_LIMITED", "You have asked very often."] as const;
        answer({ ...unknown, code, message: sentence });
      } else {
        this.canEnter(client, to).then(answer, () => {
          answer(unknown);
        });
      }
    },
    "federation:receipt": (client: Client): void => {
      if (this.#telling.has(client.sessionId)) return;
      this.#telling.add(client.sessionId);
      void withinMilliseconds(systemClock, RECEIPT_MILLISECONDS, this.receipt(client))
        .then((receipt) => {
          client.send("federation:receipt", { receipt: receipt ?? null });
        })
        .finally(() => this.#telling.delete(client.sessionId));
    },
    "federation:keep": (client: Client, message: unknown): void => {
      const request = keepSchema.safeParse(message);
      if (!request.success || this.#keeping.has(client.sessionId)) return;
      this.#keeping.add(client.sessionId);
      const unavailable = { code: "ERR_FED_UNAVAILABLE", message: "Try again in a moment." };
      void this.#host
        .keep(this.room, client, request.data.proof)
        .then((kept) => (kept.ok ? {} : { code: kept.code, message: kept.reason }))
        .catch(() => unavailable)
        .then((answer) => {
          client.send("federation:keep", answer);
        })
        .finally(() => this.#keeping.delete(client.sessionId));
    },
    "federation:give": (client: Client, message: unknown): void => {
      this.#host.gives(client, message);
    },
    "federation:cancel": (client: Client, message: unknown): void => {
      const request = cancelSchema.safeParse(message);
      if (request.success)
        this.#host.abandon(this.room, client, request.data?.transferId ?? undefined);
    },
    "federation:handed-over": (client: Client, message: unknown): void => {
      const request = transferSchema.safeParse(message);
      if (request.success) this.#host.handedOver(this.room, client, request.data.transferId);
    },
  };

  /**
   * Sends a player through a portal. Resolves with how it ended; the client is told by
   * `federation:transit` and `federation:failed` (PROTOCOL 8). Never rejects for what other
   * servers or the network do. For a player who is on its way already it resolves with
   * `ERR_FED_CROSSING_BUSY` and nothing else happens, so a room may call it at every step.
   */
  enter(client: Client, uri: string): Promise<CrossingOutcome> {
    return this.#host.enter(this.room, client, uri);
  }

  /**
   * A party of clients of this room, who go through a portal together: all or nobody, or, by choice, those who can.
   * Their homes may be different servers; the portal has to lead to another server, which knows parties, as each home
   * has to.
   *
   * @param clients 2 to 8, each once.
   * @throws TypeError for anything else.
   */
  party(clients: readonly Client[]): Party {
    const members: readonly Client[] = Array.isArray(clients) ? (clients.slice() as Client[]) : [];
    const isEachOnce = new Set(members).size === members.length;
    if (!isEachOnce || members.length < 2 || members.length > MAX_PARTY_MEMBERS) {
      throw new TypeError(`party: clients must be 2 to ${MAX_PARTY_MEMBERS} clients, each once`);
    }
    return {
      enter: (uri, options = {}) => {
        const { ifSomeCannot = "nobody" } = checkOptions<PartyOptions>(
          PARTY_OPTIONS,
          options,
          "party.enter",
        );
        return this.#host.enterTogether(this.room, members, uri, ifSomeCannot);
      },
    };
  }

  /**
   * One player gives another an item of its inventory. The giver's client is asked (`federation:give`, PROTOCOL 8) and
   * signs with the player's key, so that no room gives away what is not its own; then the item leaves one home's
   * ledger and enters the other's, once. The room takes it out of what the giver carries when the outcome is `given` or
   * `pending`; the receiver gets it when it is next at home. Never rejects for what players, servers or the network
   * do; a player has a minute to agree.
   *
   * @throws TypeError naming the option that is wrong.
   */
  give(client: Client, gift: GiftOptions): Promise<GiftOutcome> {
    checkOptions<GiftOptions>(GIFT_OPTIONS, gift, "give");
    return this.#host.give(this.room, client, gift);
  }

  /** Who a client is; undefined for one that is no player of the federation. */
  player(client: Client): FederatedPlayer | undefined {
    return this.#host.player(this.room, client);
  }

  /**
   * What the player would lose if it went home with what it carries now: home's import policy is
   * asked, nothing is decided. Undefined when home does not say.
   */
  preview(client: Client): Promise<ImportPreview | undefined> {
    return this.#host.preview(this.room, client);
  }

  /**
   * Whether the player would get through a portal now, and what it would meet there: asked of the
   * destination and of home before anybody is frozen; nothing is decided. Within some seconds for each of
   * four servers at most. What nobody says is `unknown`.
   */
  canEnter(client: Client, uri: string): Promise<EntryForecast> {
    return this.#host.canEnter(this.room, client, uri);
  }

  /**
   * Home's signed receipt (PROTOCOL 6) of the crossing by which the player came, a JWS: home gives it some tenths
   * of a second after the arrival. Undefined after a login, or in time, where home does not give it. Never rejects.
   */
  receipt(client: Client): Promise<string | undefined> {
    return this.#host.receipt(this.room, client);
  }

  /**
   * Where players could go, as this server knows it now, at most 128: worlds of trusted peers that agree to be
   * listed, then of servers that others introduce (option `discovery`). Asks nobody. Empty before the server
   * listens.
   */
  destinations(): Destination[] {
    return this.#host.destinations.list();
  }

  /** Whether nobody may simulate this player now: it is crossing, or home cannot be reached. */
  isFrozen(client: Client): boolean {
    return this.#host.isFrozen(this.room, client);
  }

  /** @internal Whether players go only once their assets are there. */
  get waitsForAssets(): boolean {
    return this.#options.assets === "before-arrival";
  }

  /** @internal What the room says the player carries. */
  carried(client: Client): unknown {
    return this.#options.carry?.(client);
  }

  /** @internal Tells the room what home did not keep. */
  kept(client: Client, notice: ImportNotice): void {
    this.#options.onKept?.(client, notice);
  }

  /** @internal Tells the room. */
  frozen(client: Client, frozen: boolean): void {
    if (frozen) this.#options.freeze?.(client);
    else this.#options.unfreeze?.(client);
  }

  /** @internal Whether the plugin was made by this federation. */
  belongsTo(host: PortalsHost): boolean {
    return this.#host === host;
  }
}
