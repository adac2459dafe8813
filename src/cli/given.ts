/** What a command was given on the command line. */

/** An option of a command. */
export interface CommandOption {
  /** `texts`: may be given several times. */
  readonly type: "text" | "texts" | "flag";
  /** What it is for, as `--help` says it. */
  readonly tells: string;
  /** Options that it cannot stand beside. */
  readonly excludes?: string;
}

/** Words and options, by name, without dashes. */
export class Given {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** Undefined when it was not given. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value.trim() : undefined;
  }

  /** Of a word that the command cannot be without: the parser has seen to it. */
  word(name: string): string {
    return this.text(name) ?? "";
  }

  /** Undefined when it was not given. */
  texts(name: string): readonly string[] | undefined {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map((each) => String(each).trim()) : undefined;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** Where the server's data are: its folder, and its store where that is not in the folder. */
  get place(): { readonly data: string; readonly store: string | undefined } {
    return { data: this.text("data") ?? ".federation", store: this.text("store") };
  }
}
