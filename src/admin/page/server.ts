/** Talking to the server that the page is of. */
import type { AdminAction } from "../../operator/actions.ts";
import type { Overview, OverviewQuery } from "../../operator/overview.ts";

const TOKEN = "aether-admin-token";
const TIMEOUT_MILLISECONDS = 15_000;

/** The server wants a token, or another one. */
export class SignInError extends Error {}

/** The endpoints of one page. The token is kept by the tab, and is gone with it. */
export class AdminServer {
  readonly #base: string;
  #token: string | undefined;

  constructor(base: string) {
    this.#base = base;
    this.#token = sessionStorage.getItem(TOKEN) ?? undefined;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  signIn(token: string): void {
    this.#token = token;
    sessionStorage.setItem(TOKEN, token);
  }

  signOut(): void {
    this.#token = undefined;
    sessionStorage.removeItem(TOKEN);
  }

  /** @throws SignInError; or an Error whose message an operator reads. */
  async overview({ search, condition, from }: OverviewQuery): Promise<Overview> {
    const query = new URLSearchParams();
    if (search !== undefined && search !== "") query.set("q", search);
    if (condition !== undefined) query.set("condition", condition);
    if (from !== undefined && from > 0) query.set("from", String(from));
    return (await this.#ask(`/admin/data?${query.toString()}`)) as Overview;
  }

  /** What came of it, in a sentence. @throws as {@link overview} */
  async act(action: AdminAction): Promise<string> {
    const answer = await this.#ask("/admin/act", action);
    const { done } = answer as { readonly done?: string };
    return done ?? "";
  }

  async #ask(path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#base}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        "Aether-Admin": "1",
        "Content-Type": "application/json",
        ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      cache: "no-store",
    });
    if (response.status === 401) {
      throw new SignInError("That is not the token that this server was started with.");
    }
    const answer = (await response.json().catch(() => undefined)) as
      { readonly failed?: string; readonly detail?: string; readonly title?: string } | undefined;
    if (!response.ok || answer === undefined) {
      const why = answer?.failed ?? answer?.detail ?? answer?.title;
      throw new Error(why ?? `The server answered with HTTP ${response.status}.`);
    }
    return answer;
  }
}
