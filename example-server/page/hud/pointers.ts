/** Signs at the edges of the screen, to gates that are out of sight: name, state, how far. */
import type { Portal } from "../view.ts";
import { gateLook } from "../gate-look.ts";
import { byId, capital, make, say } from "./element.ts";

/** Where a place of the world is on the screen. */
export type OnScreen = (place: { readonly x: number; readonly y: number }) => {
  readonly x: number;
  readonly y: number;
};

/** The part of the screen that nothing covers, in pixels. */
export interface Clear {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** More would hide the world: on a wide screen, and on a narrow one. */
const MAX_SIGNS = { wide: 6, narrow: 3 } as const;
const WIDE = 620;
const UNITS_PER_STEP = 60;
const SVG = "http://www.w3.org/2000/svg";

interface Sign {
  readonly element: HTMLElement;
  readonly arrow: SVGElement;
  readonly name: HTMLElement;
  readonly far: HTMLElement;
}

export class Pointers {
  readonly #box = byId("pointers");
  readonly #signs = new Map<string, Sign>();

  /** Shows the signs of this moment; `at` is where the player stands. */
  show(
    portals: readonly Portal[],
    at: { readonly x: number; readonly y: number } | undefined,
    onScreen: OnScreen,
    clear: Clear,
  ): void {
    const near = (at === undefined ? [] : portals)
      .filter((portal) => isOut(onScreen(portal), clear))
      .map((portal) => ({
        portal,
        far: Math.hypot(portal.x - (at?.x ?? 0), portal.y - (at?.y ?? 0)),
      }))
      .sort((a, b) => rank(a.portal) - rank(b.portal) || a.far - b.far)
      .slice(0, clear.right - clear.left > WIDE ? MAX_SIGNS.wide : MAX_SIGNS.narrow);
    const keys = new Set(near.map(({ portal }) => portal.key));
    for (const [key, { element }] of this.#signs) {
      if (keys.has(key)) continue;
      element.remove();
      this.#signs.delete(key);
    }
    const taken: { x: number; y: number; width: number; height: number }[] = [];
    for (const { portal, far } of near) {
      const sign = this.#signs.get(portal.key) ?? this.#make(portal.key);
      const { colour, word } = gateLook(portal.status);
      say(sign.name, capital(portal.label === "" ? portal.host : portal.label));
      say(
        sign.far,
        `${word.split(":")[0] ?? word} · ${Math.max(1, Math.round(far / UNITS_PER_STEP))} steps`,
      );
      sign.arrow.setAttribute("fill", colour);
      const place = onScreen(portal);
      const { offsetWidth: width, offsetHeight: height } = sign.element;
      const x = Math.min(clear.right - width, Math.max(clear.left, place.x - width / 2));
      let y = Math.min(clear.bottom - height, Math.max(clear.top, place.y - height / 2));
      const up = place.y > (clear.top + clear.bottom) / 2;
      for (const other of taken) {
        const apart =
          x + width <= other.x ||
          other.x + other.width <= x ||
          y + height <= other.y ||
          other.y + other.height <= y;
        if (!apart) y = up ? other.y - height - 6 : other.y + other.height + 6;
      }
      taken.push({ x, y, width, height });
      const angle = Math.atan2(place.y - (y + height / 2), place.x - (x + width / 2));
      sign.arrow.setAttribute("transform", `rotate(${Math.round((angle * 180) / Math.PI)} 8 8)`);
      sign.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    }
  }

  #make(key: string): Sign {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    const arrow = document.createElementNS(SVG, "path");
    arrow.setAttribute("d", "M15 8 3 14l3-6-3-6z");
    svg.append(arrow);
    const name = make("b");
    const far = make("i");
    const element = make("div", { className: "pointer" }, svg, name, far);
    this.#box.append(element);
    const sign = { element, arrow, name, far };
    this.#signs.set(key, sign);
    return sign;
  }
}

/** Gates that one can walk through first. */
function rank({ status }: Portal): number {
  return gateLook(status).alive ? 0 : 1;
}

function isOut({ x, y }: { readonly x: number; readonly y: number }, clear: Clear): boolean {
  return x < clear.left || x > clear.right || y < clear.top || y > clear.bottom + 30;
}
