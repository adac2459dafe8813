/** Other routers: those that are installed. `npm install --no-save memoirist find-my-way rou3` */

/** A router, as the bench sees it. */
export interface Rival {
  readonly name: string;
  /** Routes that it takes in reasonable time. */
  readonly most: number;
  add(path: string, value: object): void;
  find(path: string): boolean;
  readonly remove?: (path: string) => void;
}

interface Memoirist {
  add(method: string, path: string, store: unknown): unknown;
  find(method: string, path: string): unknown;
}

interface FindMyWay {
  on(method: string, path: string, handler: () => void, store: unknown): void;
  find(method: string, path: string): unknown;
}

interface Rou3 {
  readonly createRouter: () => unknown;
  readonly addRoute: (router: unknown, method: string, path: string, data: unknown) => void;
  readonly removeRoute: (router: unknown, method: string, path: string) => void;
  readonly findRoute: (router: unknown, method: string, path: string) => unknown;
}

const MAKERS: Readonly<Record<string, (module: never) => Rival>> = {
  memoirist: ({ Memoirist }: { Memoirist: new () => Memoirist }) => {
    const router = new Memoirist();
    return {
      name: "memoirist",
      most: Infinity,
      add: (path, value) => void router.add("GET", path, value),
      find: (path) => isFound(router.find("GET", path)),
    };
  },
  "find-my-way": (module: { default: (options: object) => FindMyWay }) => {
    const router = module.default({ maxParamLength: 4096 });
    return {
      name: "find-my-way",
      // More take it minutes to add.
      most: 10_000,
      add: (path, value) => {
        router.on("GET", path, () => undefined, value);
      },
      find: (path) => isFound(router.find("GET", path)),
    };
  },
  rou3: ({ createRouter, addRoute, removeRoute, findRoute }: Rou3) => {
    const router = createRouter();
    const form = (path: string): string => path.replace(/\*$/u, "**");
    return {
      name: "rou3",
      most: Infinity,
      add: (path, value) => {
        addRoute(router, "GET", form(path), value);
      },
      find: (path) => isFound(findRoute(router, "GET", path)),
      remove: (path) => {
        removeRoute(router, "GET", form(path));
      },
    };
  },
};

function isFound(result: unknown): boolean {
  return result !== null && result !== undefined;
}

/** Those installed, as makers of empty routers, and the names of the others. */
export async function loadRivals(): Promise<{
  readonly rivals: readonly (() => Rival)[];
  readonly missing: readonly string[];
}> {
  const rivals: (() => Rival)[] = [];
  const missing: string[] = [];
  for (const [name, make] of Object.entries(MAKERS)) {
    try {
      const module = (await import(name)) as never;
      rivals.push(() => make(module));
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
      missing.push(name);
    }
  }
  return { rivals, missing };
}
