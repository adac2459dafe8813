/** Arrow keys, WASD and drag, as one direction of length 0–1. */
export interface Direction {
  readonly dx: number;
  readonly dy: number;
}

const KEYS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  KeyW: [0, -1],
  KeyS: [0, 1],
  KeyA: [-1, 0],
  KeyD: [1, 0],
};
const STICK_RADIUS = 56;
const STICK_DEAD_ZONE = 8;

/** Where a finger or the mouse drags, for drawing. */
export interface Stick {
  readonly x: number;
  readonly y: number;
  readonly toX: number;
  readonly toY: number;
}

export class Input {
  stick: Stick | undefined;
  readonly #held = new Set<string>();
  readonly #changed: (direction: Direction) => void;
  readonly #walks = new Set<() => void>();
  #pointer: number | undefined;
  #last: Direction = { dx: 0, dy: 0 };

  constructor(canvas: HTMLCanvasElement, changed: (direction: Direction) => void) {
    this.#changed = changed;
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || KEYS[event.code] === undefined) return;
      // Arrows are walking, whatever has the focus; letters are what is typed, and a dialog has its own.
      const { target } = event;
      if (target instanceof HTMLInputElement || document.querySelector("dialog[open]") !== null) {
        return;
      }
      event.preventDefault();
      // A key held since before release() counts again only when it is pressed anew.
      if (event.repeat) return;
      this.#held.add(event.code);
      this.#tell();
    });
    addEventListener("keyup", (event) => {
      if (this.#held.delete(event.code)) this.#tell();
    });
    addEventListener("blur", () => {
      this.release();
    });
    canvas.addEventListener("pointerdown", (event) => {
      // A second finger zooms.
      if (this.#pointer !== undefined || !event.isPrimary) return;
      this.#pointer = event.pointerId;
      canvas.setPointerCapture(event.pointerId);
      this.stick = { x: event.clientX, y: event.clientY, toX: event.clientX, toY: event.clientY };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.#pointer || this.stick === undefined) return;
      this.stick = { ...this.stick, toX: event.clientX, toY: event.clientY };
      this.#tell();
    });
    const end = (event: PointerEvent): void => {
      if (event.pointerId !== this.#pointer) return;
      this.#pointer = undefined;
      this.stick = undefined;
      this.#tell();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
  }

  /** The direction now. */
  get direction(): Direction {
    return this.#last;
  }

  /** Calls back whenever the player begins to walk; returns how to stop. */
  onWalk(listener: () => void): () => void {
    this.#walks.add(listener);
    return () => this.#walks.delete(listener);
  }

  /** Lets go of everything. */
  release(): void {
    this.#held.clear();
    this.#pointer = undefined;
    this.stick = undefined;
    this.#tell();
  }

  #tell(): void {
    const next = this.#read();
    if (next.dx === this.#last.dx && next.dy === this.#last.dy) return;
    const begins = this.#last.dx === 0 && this.#last.dy === 0;
    this.#last = next;
    this.#changed(next);
    if (begins) for (const listener of [...this.#walks]) listener();
  }

  #read(): Direction {
    if (this.stick !== undefined) {
      const x = this.stick.toX - this.stick.x;
      const y = this.stick.toY - this.stick.y;
      const length = Math.hypot(x, y);
      if (length < STICK_DEAD_ZONE) return { dx: 0, dy: 0 };
      const strength = Math.min(1, length / STICK_RADIUS);
      return { dx: (x / length) * strength, dy: (y / length) * strength };
    }
    let dx = 0;
    let dy = 0;
    for (const code of this.#held) {
      const [x, y] = KEYS[code] ?? [0, 0];
      dx += x;
      dy += y;
    }
    dx = Math.sign(dx);
    dy = Math.sign(dy);
    const length = Math.hypot(dx, dy) || 1;
    return { dx: dx / length, dy: dy / length };
  }
}
