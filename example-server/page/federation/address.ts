/**
 * The address follows the place, so that it can be kept, shared and reloaded: `/` is the page's own world, `/?to=` and
 * the URI of a portal any other. Whoever opens it stands there.
 */

/** The address of a place on this page. */
export function addressOf(uri: string, ownUri: string): string {
  const url = new URL(location.pathname, location.origin);
  if (uri !== ownUri) url.searchParams.set("to", uri);
  // The colon and the slashes of a URI need no escape in a query, and are easier to read without.
  return url.href.replaceAll("%3A", ":").replaceAll("%2F", "/");
}

/** Where the address that is open leads; undefined: to the page's own world. */
export function addressed(): string | undefined {
  const to = new URLSearchParams(location.search).get("to") ?? "";
  return /^aether:\/\/[^/\s]{1,255}\/[\w-]{1,64}$/u.test(to) ? to : undefined;
}

/** Makes the address that of a place. It is a step for `Back`, unless it says so already. */
export function follow(uri: string, ownUri: string, isFirst: boolean): void {
  const url = addressOf(uri, ownUri);
  if (url === location.href) return;
  if (isFirst) history.replaceState({ uri }, "", url);
  else history.pushState({ uri }, "", url);
}

/** Puts the address back to where the player is: it could not go where the address led. */
export function putBack(uri: string, ownUri: string): void {
  history.replaceState({ uri }, "", addressOf(uri, ownUri));
}

/** Calls back when `Back` or `Forward` led to the address of another place. */
export function onAddress(ownUri: string, go: (uri: string) => void): void {
  addEventListener("popstate", () => {
    go(addressed() ?? ownUri);
  });
}
