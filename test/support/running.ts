/** Live servers for the tests of a `describe`, started and stopped by its hooks. */
import { ROOMS, type ServerKind, type ServerProcess, Servers, WORLD } from "./processes.ts";

/** The servers by their names, while tests run; `servers` starts more of them. */
export type Running<Name extends string> = Readonly<Record<Name, ServerProcess>> & {
  readonly servers: Servers;
};

/** Whether servers live for all tests of the `describe`, or for one. */
type Life = "suite" | "test";

/** Example worlds, each the peer of all others. */
export function worlds<Name extends string>(...names: readonly Name[]): Running<Name> {
  return running(allOf(names, { script: WORLD }));
}

/** As {@link worlds}, started anew for each test. */
export function worldsForEach<Name extends string>(...names: readonly Name[]): Running<Name> {
  return running(allOf(names, { script: WORLD }), "test");
}

/** Servers with one room of every kind (fixtures/rooms-server.ts), each the peer of all others. */
export function rooms<Name extends string>(...names: readonly Name[]): Running<Name> {
  return running(allOf(names, { script: ROOMS }));
}

/** Servers of any script and flags, each the peer of all others. */
export function running<Name extends string>(
  kinds: Readonly<Record<Name, Omit<ServerKind, "name">>>,
  life: Life = "suite",
): Running<Name> {
  const servers = new Servers();
  const names = Object.keys(kinds) as Name[];
  let started: readonly ServerProcess[] = [];
  const [start, stop] = life === "suite" ? [before, after] : [beforeEach, afterEach];
  start(async () => {
    started = await servers.start(names.map((name) => ({ name, ...kinds[name] })));
  });
  stop(() => servers.stop());
  const at = { servers };
  for (const [index, name] of names.entries()) {
    Object.defineProperty(at, name, {
      get: () => {
        const server = started[index];
        if (server === undefined) throw new Error(`${name} does not run before the tests`);
        return server;
      },
    });
  }
  return at as Running<Name>;
}

function allOf<Name extends string>(
  names: readonly Name[],
  kind: Omit<ServerKind, "name">,
): Record<Name, Omit<ServerKind, "name">> {
  return Object.fromEntries(names.map((name) => [name, kind])) as Record<Name, typeof kind>;
}
