/** The flags of `npm run world`. */
import { parseArgs } from "node:util";

export interface WorldOptions {
  readonly name: string;
  readonly port: number;
  readonly data: string;
  readonly trust: "open" | "approve" | "allowlist";
  readonly peers: readonly string[];
  /** Hangs the pictures of the servers it trusts. */
  readonly gallery: boolean;
  /** Serves other bytes than those of one of its pictures, as a dishonest operator would. */
  readonly forge: boolean;
  /** How long a place is kept for a player whose connection is lost. */
  readonly graceSeconds: number;
  /** Where the world is one process of several: the origin that they share, and their Redis. */
  readonly cluster: { readonly origin: string; readonly redis: string } | undefined;
}

export const USAGE = `Usage: npm run world -- --name arena --port 2568 [--data .data/arena]
                     [--trust open|approve|allowlist] [--peer http://localhost:2567 …]
                     [--gallery] [--forge] [--grace 20]
                     [--origin http://localhost:2567 --redis redis://localhost:6379]

Runs one world at http://localhost:<port>: the page at /, the Colyseus monitor at /monitor.

  --name    name of the world and of its room: 1–64 of A-Za-z0-9_-
  --port    port to listen at, 1–65535
  --data    folder for its key and its database (default .data/<name>)
  --trust   who else may connect: everybody (open), after the operator approved (approve, the
            default), or only the peers named here (allowlist)
  --peer    origin of a server that is trusted and connected to; may be given several times
  --gallery hangs the pictures of the servers it trusts
  --forge   serves forged bytes for one of its pictures, to see that nobody hangs them
  --grace   seconds for which the place of a player is kept whose connection is lost, or who
            reloads the page: 0–300 (default 20)
  --origin, --redis
            this process is one of several that are one server behind that origin, and share that
            Redis: see npm run cluster
  --help    this text
`;

const TRUST = ["open", "approve", "allowlist"] as const;

/** Reads the flags. Throws an Error with one line that says what is wrong. */
export function readWorldOptions(args: readonly string[]): WorldOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      name: { type: "string" },
      port: { type: "string" },
      data: { type: "string" },
      trust: { type: "string" },
      peer: { type: "string", multiple: true },
      gallery: { type: "boolean", default: false },
      forge: { type: "boolean", default: false },
      grace: { type: "string", default: "20" },
      origin: { type: "string" },
      redis: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return "help";
  const { name } = values;
  if (name === undefined || !/^[A-Za-z0-9_-]{1,64}$/u.test(name)) {
    throw new Error("--name must be 1–64 of A-Za-z0-9_-");
  }
  const port = Number(values.port);
  if (!/^\d{1,5}$/u.test(values.port ?? "") || port < 1 || port > 65_535) {
    throw new Error("--port must be a number from 1 to 65535");
  }
  const trust = TRUST.find((policy) => policy === (values.trust ?? "approve"));
  if (trust === undefined) throw new Error("--trust must be open, approve or allowlist");
  const graceSeconds = Number(values.grace);
  if (!/^\d{1,3}$/u.test(values.grace) || graceSeconds > 300) {
    throw new Error("--grace must be a number of seconds from 0 to 300");
  }
  if (values.data === "") throw new Error("--data must name a folder");
  const peers = (values.peer ?? []).map((peer) => readOrigin("--peer", peer));
  if ((values.origin === undefined) !== (values.redis === undefined)) {
    throw new Error("--origin and --redis go together");
  }
  const { data = `.data/${name}`, gallery, forge, origin, redis } = values;
  const cluster =
    origin === undefined || redis === undefined
      ? undefined
      : { origin: readOrigin("--origin", origin), redis };
  return { name, port, data, trust, peers, gallery, forge, graceSeconds, cluster };
}

function readOrigin(flag: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/u.test(url.protocol) || url.pathname !== "/" || url.search) {
    throw new Error(`${flag} must be an origin such as http://localhost:2567, got "${text}"`);
  }
  return url.origin;
}
