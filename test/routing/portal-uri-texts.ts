import type { Random } from "../../src/ports.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Portal URIs of all shapes, and what somebody may send instead. */

const HOSTS = [
  ..."a.example|worlds.example.com|localhost|x|a-b.c_d.example|a--b.example|xn--bcher-kva.example".split(
    "|",
  ),
  ..."xn--|a.xn--b|Example.com|bücher.example|ａ.example|a。b|127.0.0.1|127.1|0x7f.1|1.2.3.4.5".split(
    "|",
  ),
  ..."a.1|a.1x|a.0x|a.09|256.256.256.256|a..b|.a|a.|a.b.|-a|a-|[::1]|[::ffff:1.2.3.4]|[1::2::3]|[v1.x]".split(
    "|",
  ),
  ..."a b|a%41|a%2e|a%00|a!b|a$b|a<b|a\\b|a^b|a|*|%|–|\u00ad|a\u200db|ß|İ".split("|"),
  `${"a".repeat(64)}.example`,
  `${"a.".repeat(130)}b`,
  "",
];
const PORTS = [
  ...["", "", "", ":2567", ":443", ":0443", ":80", ":1", ":65535", ":65536", ":99999", ":0"],
  ...[":", ":00", ":007", ":123456", ":x", ":1x", ":-1", ":２", ":4 43", ":2567:1"],
];
const USERS = ["", "", "", "", "", "", "me@", "@", ":@", "me:x@", ":x@", "a.example@", "me%40@"];
const SCHEMES = [
  ...["aether://", "aether://", "aether://", "aether://", "aether://", "aether://", "aether://"],
  ...["AETHER://", "Aether://", "aether:", "aether:/", "aether:///", "aether:\\\\", "https://", ""],
  ...[" aether://", "aether ://", "aethers://", "aether:// "],
];
const SEGMENTS = [
  ..."plaza|w|pit-1|A_Z|.|..|%2e|%2E%2e|.%2e|...|.a|a.b|a.|%|%zz|%41|a b|ä|a!b|a'b|a\"b|a:b|a@b".split(
    "|",
  ),
  ..."a|b|~|$&()*+,;=|<x>|{x}|`|^|[x]|\\|a\\b|..\\..|\t|\n|\u0000|\ud800|🜁|__proto__".split("|"),
  "a".repeat(64),
  "a".repeat(65),
  "",
];
const NAMES = [
  ..."spawn|x|y|__proto__|constructor|0|a.b|a b|a+b|a%20b|%5f_proto__|ä|a'b|=|?|/|[x]".split("|"),
  "n".repeat(64),
  "n".repeat(65),
  "",
];
const VALUES = [
  ..."north|1|a=b|a+b|%20|%|%zz|%ff|ä|a'b|a\"b|<|>|#|a;b|?|/|\\|\t|\ud800|__proto__".split("|"),
  "v".repeat(256),
  "v".repeat(257),
  "%41".repeat(100),
  "",
];
const ENDS = [
  "",
  "",
  "",
  "",
  "",
  "#",
  "#north",
  "# ",
  "#\t",
  " ",
  "\n",
  "?",
  "/",
  "&",
  "=",
  "\u0000",
];
const LETTERS = "aZ0.-_/?#&=%:@\\[]+*!'\"<>^`{|}~ \t\r\n\u0000\u007f\u0080äß。％\ud83d\ude00";

/** One text. */
export function portalText(random: Random): string {
  const chance = (of: number): boolean => random.fraction() < of;
  const one = (all: readonly string[]): string =>
    // Half of what is drawn is the first, so that one oddity comes without others.
    chance(0.5) ? (all[0] ?? "") : (all[Math.floor(random.fraction() * all.length)] ?? "");
  const several = (most: number, make: () => string, between: string): string =>
    Array.from({ length: Math.floor(random.fraction() * (most + 1)) }, make).join(between);
  let text = one(SCHEMES) + one(USERS) + one(HOSTS) + one(PORTS);
  if (!chance(0.03)) text += `/${one(SEGMENTS)}`;
  if (chance(0.5)) text += `/${several(4, () => one(SEGMENTS), "/")}`;
  if (chance(0.6)) {
    const most = chance(0.05) ? 20 : 4;
    text += `?${several(most, () => (chance(0.1) ? one(NAMES) : `${one(NAMES)}=${one(VALUES)}`), "&")}`;
  }
  text += one(ENDS);
  for (
    let change = chance(0.3) ? 1 + Math.floor(random.fraction() * 3) : 0;
    change > 0;
    change -= 1
  ) {
    const at = Math.floor(random.fraction() * (text.length + 1));
    const letter = LETTERS[Math.floor(random.fraction() * LETTERS.length)] ?? "";
    const removed = Math.floor(random.fraction() * 3);
    text = text.slice(0, at) + (chance(0.6) ? letter : "") + text.slice(at + removed);
  }
  return chance(0.005) ? text.padEnd(2046 + Math.floor(random.fraction() * 5), "a") : text;
}

/** Drawn from blocks of a seeded one: 64 bytes for each number would take longer than the parsing. */
export function quickRandom(seed: string): Random {
  const slow = seededRandom(seed);
  let block = new DataView(new ArrayBuffer(0));
  let at = 0;
  const fraction = (): number => {
    if (at >= block.byteLength) {
      block = new DataView(Uint8Array.from(slow.bytes(64_000)).buffer);
      at = 0;
    }
    at += 4;
    return block.getUint32(at - 4) / 2 ** 32;
  };
  return { ...slow, fraction };
}
