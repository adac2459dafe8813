/** What a portal URI may say (PROTOCOL 1), and how it is told what it must not. */

export const SCHEME = "aether://";
/** Longest URI that is read. */
export const MAX_URI_LENGTH = 2048;
/** Portal options in one URI, at most. */
export const MAX_URI_OPTIONS = 16;
const MAX_OPTION_NAME_LENGTH = 64;
const MAX_OPTION_LENGTH = 256;
export const MAX_WORLD_LENGTH = 64;

/** The options of a URI without any. */
export const NO_OPTIONS: Readonly<Record<string, string>> = Object.freeze({});

export const NOT_A_URI = "not a URI";
export const NO_USER = "a portal URI names no user";
export const NO_FRAGMENT = "a portal URI has no fragment";
export const NO_WORLD = "the path must begin with a world: 1–64 of A-Za-z0-9_-";

/** Why an option, the `count`th of its URI, is refused; undefined: it is not. */
export function refusedOption(count: number, name: string, option: string): string | undefined {
  if (count > MAX_URI_OPTIONS) return `more than ${MAX_URI_OPTIONS} options`;
  if (name === "" || name === "__proto__" || name.length > MAX_OPTION_NAME_LENGTH) {
    return "bad option name";
  }
  return option.length > MAX_OPTION_LENGTH ? `option "${name}" is too long` : undefined;
}
