/** The page's elements, found and made. */

/** The element of that id. @throws Error when the page lacks it. */
export function byId<Found extends HTMLElement = HTMLElement>(id: string): Found {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks #${id}`);
  return found as Found;
}

type Children = readonly (Node | string | undefined)[];

/** A new element with these properties and children; texts are texts, never markup. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<Omit<HTMLElementTagNameMap[Name], "style">> = {},
  ...children: Children
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  Object.assign(element, properties);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** A button that does something, and nothing to the form around it. */
export function button(label: string, act: () => void, className = ""): HTMLButtonElement {
  const made = make("button", { type: "button", className, textContent: label });
  made.addEventListener("click", act);
  return made;
}

/** Sets a text only where it is another, so that nobody hears it twice. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** With a capital at its beginning, as names of places have; a host's has none. */
export function capital(text: string): string {
  if (/[.:]/u.test(text)) return text;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
