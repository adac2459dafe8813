import { ERROR_CODES, type FederationErrorCode } from "../../errors.ts";

/** The page of this package's repository that explains every code. */
const ERRORS_PAGE =
  "https://github.com/aether-federation/aether-federation/blob/main/docs/errors.md";

/** An error document of RFC 9457, as PROTOCOL 11 fills it. */
export interface Problem {
  /** Where the code is explained; whoever acts on a problem goes by `code`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: FederationErrorCode;
  readonly detail?: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** Builds the problem document of a code. `detail` must be safe to show to the sender. */
export function problem(
  code: FederationErrorCode,
  detail?: string,
  retryAfterSeconds?: number,
): Problem {
  const [status, title] = ERROR_CODES[code];
  return {
    type: `${ERRORS_PAGE}#${code.toLowerCase()}`,
    title,
    status,
    code,
    ...(detail === undefined || detail === title ? {} : { detail }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfter: Math.ceil(retryAfterSeconds) }),
  };
}
