/** What a player carries from world to world. */
import {
  type CarriedItem,
  type CompleteAssetReference,
  type Federation,
  type FederatedPlayer,
  type JsonValue,
  readCarried,
  writeCarried,
} from "aether-federation";
import { hashOf } from "../theme.ts";

const MAX_COINS = 500;
/** Items that this game goes on adding up to; others may have put in more. */
const MAX_ITEMS = 250;
/** Of the 32 KiB that can travel: what others add has room, too. */
const MAX_BYTES = 30 * 1024;

/** A thing as the page is told of it. */
export interface Thing extends CarriedItem {
  /** Where it is from, for people. */
  readonly from?: string;
}

type Members = Readonly<Record<string, JsonValue>>;

/**
 * One player's, as long as it is in the room. What other games have put there stays as it came, and what they sent is
 * checked before it is believed: any of it may be another operator's invention.
 */
export class Belongings {
  readonly colour: string;
  readonly #displayName: string | undefined;
  #carried: Members;
  #coins: readonly string[];
  #hat: CompleteAssetReference | undefined;
  #hatName: string;
  #inventory: readonly CarriedItem[];

  constructor(federation: Federation, { carried, id, name }: FederatedPlayer) {
    this.#carried = membersOf(carried);
    const { coins, colour, hat, hatName } = this.#carried;
    this.#coins = Array.isArray(coins)
      ? (coins as readonly JsonValue[])
          .filter((coin): coin is string => typeof coin === "string" && coin.length <= 80)
          .slice(0, MAX_COINS)
      : [];
    this.colour =
      typeof colour === "string" && /^hsl\(\d{1,3} \d{1,3}% \d{1,3}%\)$/u.test(colour)
        ? colour
        : `hsl(${hashOf(id) % 360} 70% 52%)`;
    this.#hat = federation.assets.read(hat);
    this.#hatName = typeof hatName === "string" ? hatName.slice(0, 60) : "";
    this.#inventory = readCarried(carried).inventory;
    this.#displayName = readCarried({ displayName: name }).displayName;
  }

  get coins(): readonly string[] {
    return this.#coins;
  }

  get hat(): CompleteAssetReference | undefined {
    return this.#hat;
  }

  get hatName(): string {
    return this.#hatName;
  }

  get inventory(): readonly CarriedItem[] {
    return this.#inventory;
  }

  /** False where the player cannot carry more. */
  addCoin(serial: string): boolean {
    if (this.#coins.length >= MAX_COINS || !this.#isRoomFor(serial)) return false;
    this.#coins = [...this.#coins, serial];
    return true;
  }

  /** False where the player cannot carry more, or has one of that id. */
  add(item: Omit<CarriedItem, "count">): boolean {
    const isThere = this.#inventory.some(({ id }) => id === item.id);
    if (isThere || this.#inventory.length >= MAX_ITEMS || !this.#isRoomFor(item)) return false;
    this.#inventory = [...this.#inventory, { ...item, count: 1 }];
    return true;
  }

  remove(item: string): void {
    this.#inventory = this.#inventory.filter(({ id }) => id !== item);
  }

  wear(hat: CompleteAssetReference, name: string): void {
    [this.#hat, this.#hatName] = [hat, name];
  }

  /** For the option `carry`: all that came, with what this game has changed. */
  carried(): JsonValue {
    const name = this.#displayName;
    const known = {
      inventory: this.#inventory,
      ...(name === undefined ? {} : { displayName: name }),
    };
    this.#carried = {
      ...writeCarried(this.#carried, known),
      ...{ coins: this.#coins, colour: this.colour, hatName: this.#hatName },
      ...(this.#hat === undefined ? {} : { hat: jsonOf(this.#hat) }),
    };
    return this.#carried;
  }

  /** For the page. */
  things(): Thing[] {
    const { inventory } = this.#carried;
    const raw = Array.isArray(inventory) ? (inventory as readonly JsonValue[]).map(membersOf) : [];
    return this.#inventory.map((item) => {
      const from = raw.find(({ id }) => id === item.id)?.["from"];
      const shown = readCarried({ displayName: from }).displayName;
      return shown === undefined ? item : { ...item, from: shown };
    });
  }

  #isRoomFor(more: unknown): boolean {
    return Buffer.byteLength(JSON.stringify([this.carried(), more])) <= MAX_BYTES;
  }
}

/** A reference is JSON, but for a member that is there and undefined. */
function jsonOf({ policy, ...reference }: CompleteAssetReference): JsonValue {
  return policy === undefined ? reference : { ...reference, policy };
}

function membersOf(value: JsonValue | undefined): Members {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Members)
    : {};
}
