/**
 * Puts the endpoints in front of whatever else answers on an HTTP server: Colyseus' routes, the
 * host's Express app of any version, or a plain handler. Nothing is added to the host's own app, so
 * nothing of it can stand in front, and what is not ours reaches it as if we were not there.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Middleware, Upgrade } from "../http/inbound/middleware.ts";

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** What is used of an Express application, whichever its version. */
interface ExpressApp {
  /** What its requests inherit from. */
  readonly request?: object;
  readonly mountpath?: unknown;
}

/** The host's own Express app on an HTTP server, as Colyseus itself looks for it. */
export function expressAppOf(http: HttpServer): ExpressApp | undefined {
  const apps = http.listeners("request") as unknown as (ExpressApp & { name: string })[];
  return apps.find(({ name, mountpath }) => name === "app" && mountpath === "/");
}

/**
 * Lets `endpoints` see requests for `paths`, and what lies below them, before all others do.
 *
 * @param app Says what a caller's address is, by its own `trust proxy`.
 * @returns How to take it away again.
 */
export function mount(
  http: HttpServer,
  endpoints: Middleware,
  { paths, app }: { readonly paths: readonly string[]; readonly app: ExpressApp | undefined },
): () => void {
  const others = http.listeners("request") as Listener[];
  const first: Listener = (request, response) => {
    const pass = (): void => {
      for (const other of others) other.call(http, request, response);
    };
    if (!isBelow(request.url ?? "/", paths)) {
      pass();
      return;
    }
    tellAddress(request, app);
    endpoints(request, response, pass);
  };
  http.removeAllListeners("request");
  http.on("request", first);
  return () => {
    if (!http.listeners("request").includes(first)) return;
    const later = http.listeners("request").filter((listener) => listener !== first);
    http.removeAllListeners("request");
    for (const listener of [...others, ...later]) http.on("request", listener as Listener);
  };
}

/**
 * Lets `upgrade` see what is to be upgraded before all others do: Colyseus takes every upgrade that it sees.
 * Where nobody listens for upgrades, Node makes requests of them, and so it remains.
 *
 * @param app Says what a caller's address is, by its own `trust proxy`.
 * @returns How to take it away again.
 */
export function mountUpgrade(
  http: HttpServer,
  upgrade: Upgrade,
  app: ExpressApp | undefined,
): () => void {
  type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  const others = http.listeners("upgrade") as UpgradeListener[];
  if (others.length === 0) return () => undefined;
  const first: UpgradeListener = (request, socket, head) => {
    tellAddress(request, app);
    if (upgrade(request, socket, head)) return;
    for (const other of others) other.call(http, request, socket, head);
  };
  http.removeAllListeners("upgrade");
  http.on("upgrade", first);
  return () => {
    if (!http.listeners("upgrade").includes(first)) return;
    const later = http.listeners("upgrade").filter((listener) => listener !== first);
    http.removeAllListeners("upgrade");
    for (const listener of [...others, ...later]) http.on("upgrade", listener as UpgradeListener);
  };
}

function isBelow(url: string, paths: readonly string[]): boolean {
  return paths.some((path) => {
    const rest = url.startsWith(path) ? url.charAt(path.length) : undefined;
    return rest === "" || rest === "/" || rest === "?";
  });
}

/** Express says a caller's address by the proxies that the host trusts; it has not seen the request yet. */
function tellAddress(request: IncomingMessage, app: ExpressApp | undefined): void {
  if (app?.request === undefined) return;
  const { headers, socket } = request;
  const ip: unknown = Reflect.get(app.request, "ip", { app, headers, socket, connection: socket });
  if (typeof ip === "string")
    Object.defineProperty(request, "ip", { configurable: true, value: ip });
}
