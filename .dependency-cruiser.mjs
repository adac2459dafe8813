/** What may import what. The floors say who is above whom; the rest is about what lies outside. */
import { APART, FLOORS, FOR_ALL, inside } from "./tools/floors.mjs";

const ROOMS = FLOORS.flat();

/** Each room imports neither those beside it nor anything above. */
const floors = FLOORS.slice(0, -1).flatMap((rooms, floor) =>
  rooms.map((room) => ({
    name: `${room} imports from below only`,
    comment: "See tools/floors.mjs: what two rooms need lies on a floor below both.",
    severity: "error",
    from: { path: inside(room) },
    to: {
      path: FLOORS.slice(floor)
        .flat()
        .filter((other) => other !== room)
        .map(inside),
    },
  })),
);

export default {
  forbidden: [
    ...floors,
    {
      name: "every-room-has-a-floor",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: [...ROOMS, ...APART].map(inside) },
    },
    {
      name: "no-cycles",
      comment: "Types included: who needs a type of another needs that other to be understood.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "only-colyseus-knows-colyseus",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: "^src/(colyseus|client|federation|testing)/",
      },
      to: {
        path: "node_modules/(@colyseus|colyseus)",
      },
    },
    {
      name: "one-file-knows-open-telemetry",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: "^src/runtime/open-telemetry\\.ts$",
      },
      to: {
        path: "node_modules/@opentelemetry",
      },
    },
    {
      name: "only-http-knows-http",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: "^src/(http|testing)/",
      },
      to: {
        path: "node_modules/(undici|express|ipaddr\\.js|ws)/|^(http|https|net|dns|tls)$",
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "colyseus-calls-nobody-over-http",
      severity: "error",
      from: {
        path: "^src/colyseus/",
      },
      to: {
        path: "^src/http/",
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "only-storage-and-assets-know-the-disk",
      comment:
        "Assets are files: large, streamed, served by range; pages are read as they are shipped. Everything else is rows in a Store.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: "^src/(storage|cli|assets|admin)/",
      },
      to: {
        path: "^(node:)?(fs|fs/promises|sqlite)$",
      },
    },
    {
      name: "client-imports-no-server-code",
      severity: "error",
      from: {
        path: "^src/client/",
      },
      to: {
        path: "^src/(?!client/)|^(node:)",
        pathNot: ["^src/client/", ...FOR_ALL.map(inside)],
      },
    },
    {
      name: "pages-run-in-browsers",
      comment: "What a browser loads of the admin page is its own folder; types are gone by then.",
      severity: "error",
      from: {
        path: "^src/admin/page/",
      },
      to: {
        pathNot: "^src/admin/page/",
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "client-is-browser-safe",
      severity: "error",
      from: {
        path: "^src/client/",
      },
      to: {
        dependencyTypes: ["core"],
      },
    },
    {
      name: "shipped-code-uses-shipped-dependencies",
      severity: "error",
      from: {
        path: "^src/",
      },
      to: {
        dependencyTypes: ["npm-dev"],
        dependencyTypesNot: ["type-only", "npm-peer"],
      },
    },
    {
      name: "source-imports-no-tests",
      severity: "error",
      from: {
        path: "^src/",
      },
      to: {
        path: "^(test|example-server|bench)/",
      },
    },
    {
      name: "example-uses-the-package-by-name",
      severity: "error",
      from: {
        path: "^example-server/",
      },
      to: {
        path: "^src/",
      },
    },
    {
      name: "no-orphans",
      severity: "error",
      from: {
        path: "^src/",
        orphan: true,
      },
      to: {},
    },
    {
      name: "not-to-unresolvable",
      severity: "error",
      from: {
        pathNot: "^(test|example-server)/",
      },
      to: {
        couldNotResolve: true,
      },
    },
  ],
  options: {
    doNotFollow: {
      path: "node_modules|^dist",
    },
    tsPreCompilationDeps: true,
    tsConfig: {
      fileName: "tsconfig.json",
    },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "default"],
    },
  },
};
