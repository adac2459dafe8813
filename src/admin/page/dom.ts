/** Making elements. Everything that servers and players say is put in as text. */

/** Attributes, and `on…` listeners. */
type Properties = Readonly<Record<string, string | boolean | ((event: Event) => void) | undefined>>;

/** An HTML element with what is in it. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (typeof value === "string") made.setAttribute(name, value);
    else if (value === true) made.setAttribute(name, "");
  }
  made.append(...children);
  return made;
}

/** The element with an id, of which the page has one. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

const SVG = "http://www.w3.org/2000/svg";

/** A picture that `label` says in words. */
export function picture(
  width: number,
  height: number,
  label: string,
  paths: Readonly<Record<string, string>>,
): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", String(width));
  svg.setAttribute("height", String(height));
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  for (const [name, data] of Object.entries(paths)) {
    if (data === "") continue;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", data);
    svg.append(path);
  }
  return svg;
}
