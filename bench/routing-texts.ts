/** Routes for the bench, and texts of every kind of hit. */

export const SELF = "https://self.example";

/** One route: a pattern of ours, none where we need none, and what other routers are given. */
export interface BenchRoute {
  readonly pattern: string | undefined;
  readonly path: string;
}

/** A text for `resolve`, and the same as other routers want it. */
export interface Sample {
  readonly text: string;
  readonly path: string;
}

/** A kind of hit. */
export interface Kind {
  readonly name: string;
  readonly found: boolean;
  /** Whether other routers come to the same verdict. */
  readonly comparable: boolean;
  /** The text of that number; all different up to 20,000 if `distinct`. */
  sample(index: number, size: number, distinct: boolean): Sample;
}

/** Four in ten are exact paths, two each prefixes, whole hosts and suffixes. */
export function* routesOf(size: number): Iterable<BenchRoute> {
  for (let n = 0; n < size; n += 1) {
    const kind = n % 10;
    if (kind < 4) yield route(`w${n}.example`, `plaza/gate-${n}`);
    else if (kind < 6) yield route(`p${n}.example`, `pit/deep/*`);
    else if (kind < 8) yield route(`h${n}.example`, "*");
    else yield { pattern: `aether://*.s${n}.example/*`, path: `/~/example/s${n}/*` };
  }
  yield { pattern: undefined, path: "/self.example/*" };
  for (let n = 0; n < peers(size); n += 1) {
    yield { pattern: undefined, path: `/peer${n}.example/*` };
  }
}

function route(authority: string, path: string): BenchRoute {
  return { pattern: `aether://${authority}/${path}`, path: `/${authority}/${path}` };
}

function peers(size: number): number {
  return Math.min(10_000, Math.ceil(size / 10));
}

const PEERS = new Map(
  Array.from({ length: 10_000 }, (_, n) => [`peer${n}.example`, `https://peer${n}.example`]),
);

/** As a registry looks a peer up: in a map. */
export function peerOf(authority: string): string | undefined {
  return PEERS.get(authority);
}

/** A number of a route of that kind, spread over all. */
function numberOf(index: number, size: number, first: number, kinds: number): number {
  const tens = Math.floor(size / 10);
  return ((index * 7_919) % tens) * 10 + first + (index % kinds);
}

function sample(authority: string, path: string, query = ""): Sample {
  return { text: `aether://${authority}/${path}${query}`, path: `/${authority}/${path}` };
}

const HOSTILE: readonly ((index: number) => string)[] = [
  (n) => `https://w${n}.example/plaza`,
  (n) => `aether://admin@w${n}.example/plaza`,
  (n) => `aether://w${n}.example/plaza#${n}`,
  (n) => `aether://w${n}.example/<script>${n}</script>`,
  (n) => `aether://w${n}.example`,
  (n) => `aether://w${n}.example/pla%00za`,
  (n) => `aether://w${n}.example:99999/plaza`,
  (n) => `aether://[::${n}/plaza`,
  (n) => `aether://wörld${n} .example/plaza`,
  (n) => `aether://w${n}.example/plaza?__proto__=${n}`,
  (n) => `javascript:alert(${n})`,
  (n) => `${"a".repeat(200)}${n}`,
];

export const KINDS: readonly Kind[] = [
  hit("exact path", (n, size, distinct) => {
    const at = numberOf(n, size, 0, 4);
    return sample(`w${at}.example`, `plaza/gate-${at}`, distinct ? `?n=${n}` : "");
  }),
  hit("exact path, 2 options", (n, size) => {
    const at = numberOf(n, size, 0, 4);
    return sample(`w${at}.example`, `plaza/gate-${at}`, `?spawn=north&n=${n}`);
  }),
  hit("prefix", (n, size, distinct) =>
    sample(`p${numberOf(n, size, 4, 2)}.example`, `pit/deep/hole${distinct ? n : ""}`),
  ),
  hit("authority", (n, size, distinct) =>
    sample(`h${numberOf(n, size, 6, 2)}.example`, `plaza${distinct ? n : ""}`),
  ),
  hit("suffix", (n, size, distinct) => {
    const at = numberOf(n, size, 8, 2);
    const host = `eu${distinct ? n : ""}`;
    return {
      text: `aether://${host}.s${at}.example/plaza`,
      path: `/~/example/s${at}/${host}/plaza`,
    };
  }),
  hit("self", (n, _size, distinct) => sample("self.example", `plaza${distinct ? n : n % 10}`)),
  hit("known peer", (n, size, distinct) =>
    sample(`peer${n % peers(size)}.example`, `plaza${distinct ? n : ""}`),
  ),
  { ...hit("miss", (n) => sample(`nobody${n}.example`, "plaza")), found: false },
  {
    name: "hostile",
    found: false,
    comparable: false,
    sample: (n) => {
      const text = HOSTILE[n % HOSTILE.length]?.(n) ?? "";
      return { text, path: text.replace(/^aether:\//u, "") };
    },
  },
  {
    ...hit("hostile, 2,000 characters", (n) => sample(`w${n}.nobody.example`, "a/".repeat(990))),
    found: false,
  },
];

function hit(name: string, make: Kind["sample"]): Kind {
  return { name, found: true, comparable: true, sample: make };
}
