/** Where pages link to, as a reader on a code host or in the package follows it. */
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";

/** What a page's links come to. */
export interface Links {
  /** Those to other hosts; nobody asks whether they answer. */
  readonly outside: readonly string[];
  /** Those that lead nowhere, with the reason. */
  readonly dead: readonly string[];
}

/** The links of the page `name` in the folder `root`. */
export function linksOf(root: string, name: string): Links {
  const outside: string[] = [];
  const dead: string[] = [];
  const text = proseOf(readFileSync(`${root}${name}`, "utf8"));
  for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/gu)) {
    if (/^[a-z]+:/u.test(target)) {
      outside.push(target);
      continue;
    }
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? name : posix.join(posix.dirname(name), path);
    if (!existsSync(`${root}${file}`)) dead.push(`${target}: no file ${file}`);
    else if (anchor !== undefined) {
      const known = file.endsWith(".md") ? anchorsOf(readFileSync(`${root}${file}`, "utf8")) : [];
      if (![...known].includes(anchor)) dead.push(`${target}: no such heading in ${file}`);
    }
  }
  return { outside, dead };
}

/** The anchors of a page's headings, as code hosts make them. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(text).matchAll(/^#{1,6} (.+)$/gmu)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/gu, "$1").toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Without blocks of code. */
function proseOf(text: string): string {
  return text.replaceAll(/^(\s*)(`{3,}|~{3,})[^`\n]*\n.*?\n\1\2$/gmsu, "");
}
