/** One place for what is wrong with the connection: it stays while that lasts, and then says that all is well. */
import { byId, button, make } from "./element.ts";
import { details, forgetToasts } from "./toasts.ts";

/** What is wrong. */
export interface Ill {
  readonly title: string;
  readonly text: string;
  /** What is safe meanwhile. */
  readonly safe?: string;
  /** Until then it may mend itself; Unix milliseconds. */
  readonly until?: number;
  readonly detail?: string;
  readonly act?: { readonly label: string; readonly run: () => void };
}

const WELL_MILLISECONDS = 4_000;

export class Trouble {
  readonly #box = byId("trouble");
  #timer: ReturnType<typeof setInterval> | undefined;
  #isIll = false;

  /** Whether something is wrong. */
  get isIll(): boolean {
    return this.#isIll;
  }

  /** Says what is wrong, in the place of what was said before. */
  ill({ title, text, safe, until, detail, act }: Ill): void {
    clearInterval(this.#timer);
    this.#isIll = true;
    forgetToasts();
    // Counted for the eye alone: nobody wants to hear every second.
    const left = make("span", { ariaHidden: "true" });
    this.#box.classList.remove("well");
    this.#box.replaceChildren(
      make("strong", { textContent: title }),
      make("p", {}, text, left),
      ...(safe === undefined ? [] : [make("p", { textContent: safe })]),
      ...(act === undefined ? [] : [make("p", {}, button(act.label, act.run))]),
      ...(detail === undefined ? [] : [details(detail)]),
    );
    this.#box.hidden = false;
    if (until === undefined) return;
    const count = (): void => {
      const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      left.textContent = ` ${seconds} s left.`;
    };
    count();
    this.#timer = setInterval(count, 500);
  }

  /** Says that all is well again, where it was not. */
  well(text: string): void {
    if (!this.#isIll) return;
    this.#isIll = false;
    clearInterval(this.#timer);
    this.#box.classList.add("well");
    this.#box.replaceChildren(make("strong", { textContent: text }));
    this.#timer = setInterval(() => {
      clearInterval(this.#timer);
      this.#box.hidden = true;
    }, WELL_MILLISECONDS);
  }

  /** Says nothing any more. */
  over(): void {
    this.#isIll = false;
    clearInterval(this.#timer);
    this.#box.hidden = true;
  }
}
