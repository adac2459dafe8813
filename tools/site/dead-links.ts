/** Follows the links of a site of files. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/**
 * What leads nowhere in the site at `folder`: files and anchors that are not there, and whatever a page would
 * load from another host. Where links to other hosts lead, nobody asks.
 */
export function deadLinks(folder: string): { pages: number; dead: string[] } {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) =>
    join(folder, name),
  );
  const pages = files.filter((name) => name.endsWith(".html"));
  const anchors = new Map(
    files
      .filter((name) => /\.(?:html|svg)$/u.test(name))
      .map((name) => [name, anchorsOf(readFileSync(name, "utf8"))]),
  );
  const dead = new Set<string>();
  for (const page of pages) {
    const say = (what: string) => dead.add(`${relative(folder, page)}: ${what}`);
    for (const { loads, url } of linksOf(readFileSync(page, "utf8"))) {
      if (/^(?:data|mailto):/u.test(url)) continue;
      if (/^(?:[a-z]+:)?\/\//u.test(url)) {
        if (loads) say(`${url} is loaded from another host`);
        continue;
      }
      const [path = "", anchor = ""] = decodeURI(url.replace(/\?.*?(?=#|$)/u, "")).split("#");
      const file = path === "" ? page : join(dirname(page), path);
      if (!existsSync(file) || statSync(file).isDirectory()) say(`${url}: there is no such file`);
      else if (anchor !== "" && anchors.get(file)?.has(anchor) !== true) {
        say(`${url}: there is no such place`);
      }
    }
  }
  return { pages: pages.length, dead: [...dead].sort() };
}

function anchorsOf(html: string): ReadonlySet<string> {
  return new Set([...html.matchAll(/\sid="([^"]+)"/gu)].map(([, id = ""]) => text(id)));
}

/** What a page links to, and what it loads by itself. */
function linksOf(html: string): { loads: boolean; url: string }[] {
  return [...html.matchAll(/<([a-z]+)\s[^>]*?\b(href|src)="([^"]*)"/gu)].map(
    ([, tag, attribute, url = ""]) => ({
      loads: attribute === "src" || tag === "link",
      url: text(url),
    }),
  );
}

function text(attribute: string): string {
  return attribute.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'");
}
