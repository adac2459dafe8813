/** The flags of the harbour. */
import { parseArgs } from "node:util";

const TRUST = ["open", "approve", "allowlist"] as const;

export interface HarbourOptions {
  readonly name: string;
  readonly port: number;
  readonly data: string;
  readonly trust: (typeof TRUST)[number];
  readonly peers: readonly string[];
}

export const USAGE = `Usage: node example-server/harbour/server.ts [--name harbour] [--port 2570]
            [--data .data/harbour] [--trust open|approve|allowlist]
            [--peer http://localhost:2567 …]

Runs the harbour at http://localhost:<port>: its page at /play, the Colyseus monitor at /monitor.

  --name    what the server is called, 1–64 of A-Za-z0-9_-
  --port    port to listen at, 1–65535
  --data    folder for its key and its database
  --trust   who else may connect: everybody (open), after the operator approved (approve, the
            default), or only the peers named here (allowlist)
  --peer    origin of a server that is trusted and connected to; may be given several times
  --help    this text
`;

/** Reads the flags. Throws an Error with one line that says what is wrong. */
export function readOptions(args: readonly string[]): HarbourOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      name: { type: "string", default: "harbour" },
      port: { type: "string", default: "2570" },
      data: { type: "string", default: ".data/harbour" },
      trust: { type: "string", default: "approve" },
      peer: { type: "string", multiple: true, default: [] },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return "help";
  const { name, data } = values;
  if (!/^[\w-]{1,64}$/u.test(name)) throw new Error("--name must be 1–64 of A-Za-z0-9_-");
  const port = /^\d{1,5}$/u.test(values.port) ? Number(values.port) : 0;
  if (port < 1 || port > 65_535) throw new Error("--port must be a number from 1 to 65535");
  if (data === "") throw new Error("--data must name a folder");
  const trust = TRUST.find((policy) => policy === values.trust);
  if (trust === undefined) throw new Error("--trust must be open, approve or allowlist");
  return { name, port, data, trust, peers: values.peer.map(originOf) };
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/u.test(url.protocol) || url.pathname !== "/") {
    throw new Error(`--peer must be an origin such as http://localhost:2567, got "${text}"`);
  }
  return url.origin;
}
