/**
 * Builds the site in `site/`: the pages of docs/, and the API of the three entries, by TypeDoc. It needs no
 * server and no network. Fails for a warning, a page without a place in the navigation, and a link that
 * leads nowhere.
 */
import { readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { Application, Converter, KindRouter } from "typedoc";
import { deadLinks } from "./site/dead-links.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The navigation: pages of docs/ by their names, others by their paths. */
const SECTIONS = {
  Begin: ["quick-start", "installing", "attaching", "moving", "upgrading"],
  Build: [
    "accounts",
    "clients",
    "keys",
    "schema",
    "two-games",
    "carried",
    "hand-over",
    "parties",
    "gifts",
    "testing",
    "parts",
  ],
  Run: ["deploying", "OPERATING", "moving-house", "telemetry", "discovery", "SECURITY.md"],
  "Look up": ["options", "errors", "features", "LIMITS", "performance", "CHANGELOG.md"],
  Understand: ["DESIGN", "PROTOCOL"],
};

const pathOf = (page) => (page.endsWith(".md") ? page : `docs/${page}.md`);
const sectionOf = new Map(
  Object.entries(SECTIONS).flatMap(([section, pages]) =>
    pages.map((page) => [pathOf(page), section]),
  ),
);
const present = readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`);
const unplaced = present.filter((path) => path.endsWith(".md") && !sectionOf.has(path));
if (unplaced.length > 0) {
  throw new Error(`without a section in tools/docs.mjs: ${unplaced.join(", ")}`);
}
const paths = [...sectionOf.keys()].filter(
  (path) => !path.startsWith("docs/") || present.includes(path),
);

/** A page is called by its heading, and lies where its file's name says. */
class PagesRouter extends KindRouter {
  getIdealBaseName(target) {
    const path = target.isDocument?.() === true ? fileOf.get(target) : undefined;
    return path === undefined ? super.getIdealBaseName(target) : basename(path, ".md");
  }
}
const fileOf = new WeakMap();

const app = await Application.bootstrap({
  entryPoints: [
    "src/index.ts",
    "src/client/index.ts",
    "src/client/keys/index.ts",
    "src/testing/index.ts",
  ],
  tsconfig: "tsconfig.build.json",
  // `npm run check` has looked for errors of types already.
  skipErrorChecking: true,
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  readme: "README.md",
  projectDocuments: paths,
  router: "pages",
  out: "site",
  customCss: "tools/site/style.css",
  hideGenerator: true,
  searchInDocuments: true,
  sort: ["source-order"],
  sortEntryPoints: false,
  navigation: { includeGroups: true },
  groupOrder: [...Object.keys(SECTIONS), "Modules", "*"],
  highlightLanguages: [
    ...["typescript", "javascript", "shellscript", "json", "html"],
    ...["nginx", "docker", "yaml", "csharp"],
  ],
  ignoredHighlightLanguages: ["mermaid", "caddyfile", "gitignore"],
  validation: { notExported: false, invalidLink: true, invalidPath: true, notDocumented: false },
  treatWarningsAsErrors: true,
  logLevel: "Warn",
  markdownItLoader: (parser) => {
    // Anchors of headings count code, too, as on code hosts.
    parser.core.ruler.push("code-in-headings", ({ tokens }) => {
      for (const [index, { type }] of tokens.entries()) {
        if (type !== "heading_open") continue;
        for (const token of tokens[index + 1]?.children ?? []) {
          if (token.type !== "code_inline") continue;
          token.children = [{ type: "text", content: token.content, children: null }];
        }
      }
    });
  },
});
app.renderer.defineRouter("pages", PagesRouter);
app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
  const path = paths.find((page) => basename(page, ".md") === basename(document.name));
  if (path === undefined) return;
  fileOf.set(document, path);
  document.frontmatter.group = sectionOf.get(path);
  document.name = /^# (.+)$/mu.exec(readFileSync(`${ROOT}${path}`, "utf8"))?.[1] ?? document.name;
});

const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);

const { pages, dead } = deadLinks(`${ROOT}site`);
for (const line of dead) console.error(line);
if (dead.length > 0) process.exit(1);
console.log(`site/index.html: ${pages} pages, every link leads somewhere`);
