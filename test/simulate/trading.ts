/**
 * What players of the simulation give each other: who, what and to whom, drawn from a sequence of its own, so that a
 * run without trades is the same run as ever.
 */
import type { CustodyOptions } from "../../src/custody/custody.ts";
import type { Gift, GiftOutcome } from "../../src/custody/holder/giving.ts";
import { inventoryOf } from "../../src/custody/home/trade-items.ts";
import { tradePurpose } from "../../src/identity/trade.ts";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import type { PeerAnswer, Random } from "../../src/ports.ts";
import { seededRandom } from "../support/seeded-random.ts";
import type { Addresses } from "./addresses.ts";
import type { Thing } from "./room.ts";
import { Things } from "./things.ts";
import type { Place, Traveller } from "./traveller.ts";
import { Violation } from "./violation.ts";
import { EPOCH, type World, fastRandom } from "./world.ts";

/** How long a trade is open here: partitions, stops and long delays outlast it now and then. */
const TRADE_SECONDS = 20;
const THINGS_AT_FIRST = 4;
/** Chance that a player gives something when it does anything. */
const WISH = 0.1;
const TO_A_COMPANION = 0.5;
/** Of those that are for somebody whom nobody knows. */
const TO_NOBODY = 0.03;
const SAME_ID = 0.03;
const NOT_WANTED = 0.06;
const TAKEN_OUT = 0.8;
/** Chance, per answer of a home that says whether it takes a thing, that somebody puts another one in its place. */
const LIE = 0.03;

/** How a gift ended, as its giver heard it. */
export type TradeEnd = GiftOutcome["kind"] | "refused";

/** Nobody gives anything. */
export const NO_TRADES: Readonly<Record<TradeEnd, number>> = Object.freeze({
  ...{ given: 0, pending: 0, kept: 0, refused: 0, undecided: 0 },
});

/** All giving of one simulation. */
export class Trading {
  readonly things: Things;
  readonly ends: Record<TradeEnd, number> = { ...NO_TRADES };
  readonly #world: World;
  readonly #random: Random;
  readonly #keys = new Map<string, SigningKey>();
  /** The last receipt that each server gave, of whatever trade. */
  readonly #receipts = new Map<string, string>();
  #last: { readonly giver: Traveller; readonly tradeId: string } | undefined;
  #minted = 0;
  #proofs = 0;

  constructor(seed: string, world: World, addresses: Addresses) {
    this.#world = world;
    this.#random = fastRandom(`trades ${seed}`);
    this.things = new Things(addresses);
  }

  /** Of every server. */
  get options(): Pick<CustodyOptions, "gifts" | "tradeSeconds"> {
    return {
      tradeSeconds: TRADE_SECONDS,
      gifts: () => this.#calm() || this.#random.fraction() >= NOT_WANTED,
    };
  }

  #calm(): boolean {
    return this.#world.faults.loss === 0;
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random.fraction() * list.length)];
  }

  #keyOf({ name }: Pick<Traveller, "name">): SigningKey {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = generateSigningKey(seededRandom(`player ${name}`));
    this.#keys.set(name, key);
    return key;
  }

  /** Thumbprint of a player's key. */
  jktOf(player: Traveller): string {
    return this.#keyOf(player).kid;
  }

  /** New things, beside what a state has already. */
  mint({ name }: Traveller, state: unknown): readonly Thing[] {
    const there = inventoryOf(state as never) ?? [];
    const fresh = Array.from({ length: THINGS_AT_FIRST }, () => {
      this.#minted += 1;
      return { id: `${name}-thing-${this.#minted}` };
    });
    return [...(there as unknown as Thing[]), ...fresh];
  }

  /** Whether a player gives something away now. */
  wishes(): boolean {
    return this.#random.fraction() < WISH;
  }

  /** Between two tries of a player who was told that nobody can say. */
  pause(): number {
    return 1_000 + this.#random.fraction() * 20_000;
  }

  /** Whether a room takes out what was given. */
  isTakenOut(): boolean {
    return this.#random.fraction() < TAKEN_OUT;
  }

  /** What a player gives, and to whom. */
  choose(
    giver: Traveller,
    { server, body }: Place,
    companions: readonly Traveller[],
    players: readonly Traveller[],
  ): Gift | undefined {
    const item = this.#pick(body.carried?.inventory ?? [])?.id;
    const near = companions.length > 0 && this.#random.fraction() < TO_A_COMPANION;
    const other = this.#pick(near ? companions : players.filter((each) => each !== giver));
    if (item === undefined || other === undefined) return undefined;
    const toHome = server.wayTo(other.home);
    const name = this.#random.fraction() < TO_NOBODY ? "nobody" : other.name;
    const to = `${name}@${new URL(toHome).host}`;
    // Some servers would have two players use one id.
    const same = this.#random.fraction() < SAME_ID && this.#last?.giver !== giver;
    const tradeId = (same ? this.#last?.tradeId : undefined) ?? this.#random.uuid();
    this.#last = { giver, tradeId };
    return this.signed(giver, { tradeId, item, to, toHome });
  }

  /** The same gift, with a proof of this moment; by `key`, whoever's that is. */
  signed(
    giver: Pick<Traveller, "name" | "home">,
    { tradeId, item, to, toHome }: Omit<Gift, "proof">,
    key = this.#keyOf(giver),
  ): Gift {
    const { kty, crv, x } = key.jwk;
    const iat = Math.floor((EPOCH + this.#world.now) / 1000);
    const purpose = tradePurpose({ tradeId, item, to });
    this.#proofs += 1;
    const claims = { aud: giver.home.address, use: "trade", purpose, jti: `${this.#proofs}` };
    const signed = [
      { alg: "EdDSA", typ: "aether-pop+jwt", jwk: { kty, crv, x } },
      { ...claims, iat, exp: iat + 55 },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const signature = key.sign(Buffer.from(signed, "latin1"));
    const proof = `${signed}.${Buffer.from(signature).toString("base64url")}`;
    return { tradeId, item, to, toHome, proof };
  }

  /** Whether an outcome says that the thing has left its giver's inventory. */
  hasLeft(outcome: GiftOutcome): boolean {
    return outcome.kind === "given" || outcome.kind === "pending" || endOf(outcome) === "refused";
  }

  /** A player is told how its gift ended. @throws Violation when that is not so. */
  told({ name, home }: Traveller, { tradeId, item }: Gift, outcome: GiftOutcome): void {
    const end = endOf(outcome);
    this.ends[end] += 1;
    const taken = this.things.isTaken(home.origin, tradeId);
    const left = this.things.hasLeft(name, tradeId, item);
    const wrong =
      (end === "given" && taken !== true) ||
      (end === "refused" && taken === true) ||
      (end === "pending" && !left) ||
      (end === "kept" && left);
    if (wrong) {
      throw new Violation(
        `${name} is told that ${item} is ${end}, and it is taken: ${String(taken)}`,
      );
    }
  }

  /** What arrives of a home's word on a thing: now and then another one. */
  answered(server: string, path: string, answer: PeerAnswer): PeerAnswer | undefined {
    if (path !== "/custody/trade" || !answer.ok) return undefined;
    const { receipt } = answer.body as { receipt: string };
    const former = this.#receipts.get(server);
    this.#receipts.set(server, receipt);
    if (this.#calm() || this.#random.fraction() >= LIE) return undefined;
    const [header = "", payload = "", signature = ""] = receipt.split(".");
    const said = JSON.parse(Buffer.from(payload, "base64url").toString()) as { taken: boolean };
    const turned = Buffer.from(JSON.stringify({ ...said, taken: !said.taken })).toString(
      "base64url",
    );
    const forged = `${header}.${turned}.${signature}`;
    return { ...answer, body: { receipt: this.#pick([forged, former ?? forged]) } };
  }
}

function endOf(outcome: GiftOutcome): TradeEnd {
  const isRefused = outcome.kind === "kept" && outcome.code === "ERR_FED_TRADE_REFUSED";
  return isRefused ? "refused" : outcome.kind;
}
