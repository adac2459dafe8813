/** The page that is open, as far as a hand-over has to do with it. */
import type { HandOver } from "../events.ts";

/** A page in a browser. */
export interface Page {
  /** Its address without fragment. */
  readonly url: string;
  readonly hash: string;
  /** Whether another page shows it inside of itself, and may lie about what is clicked on. */
  readonly isFramed: boolean;
  /** Takes the fragment out of the address, and out of the history. */
  clean(): void;
  /** Goes to another page; back leads here. */
  assign(url: string): void;
  /** Goes to another page in this one's place. */
  replace(url: string): void;
}

/** The browser's; undefined where there is none. */
export function openPage(): Page | undefined {
  if (typeof location !== "object") return undefined;
  return {
    url: location.href.replace(/#.*$/su, ""),
    hash: location.hash,
    isFramed: globalThis.top !== globalThis.self,
    clean: () => {
      history.replaceState(history.state, "", location.href.replace(/#.*$/su, ""));
    },
    assign: (url) => {
      go(url, () => {
        location.assign(url);
      });
    },
    replace: (url) => {
      go(url, () => {
        location.replace(url);
      });
    },
  };
}

/** A page that is shown again as it was left has lost its connections: it begins anew. */
function go(url: string, navigate: () => void): void {
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload();
  });
  navigate();
  // To an address that differs in its fragment alone no browser goes.
  if (url.replace(/#.*$/su, "") === location.href.replace(/#.*$/su, "")) location.reload();
}

/** Whether two addresses are of one page, whatever their queries. */
export function isSamePage(one: string, other: string): boolean {
  const [a, b] = [new URL(one), new URL(other)];
  return a.origin === b.origin && a.pathname === b.pathname;
}

/** Whether two pages share a storage. */
export function shareStorage(one: string, other: string): boolean {
  return new URL(one).origin === new URL(other).origin;
}

/** Waits until it is called off: the browser is on its way to another page. */
export function gone(signal?: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
}

/** Opens the page that goes on with the player, or has it opened by whoever listens. */
export function open(
  handOver: HandOver,
  tell: (handOver: HandOver) => boolean,
  page: Page | undefined,
): void {
  if (!tell(handOver)) page?.assign(handOver.url);
}
