import { ERROR_CODES, type FederationErrorCode } from "../../errors.ts";

/** An error document of RFC 9457, as PROTOCOL 11 fills it. */
export interface Problem {
  /** A URI reference: where in this repository and package the code is explained. */
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
    type: `docs/errors.md#${code.toLowerCase()}`,
    title,
    status,
    code,
    ...(detail === undefined || detail === title ? {} : { detail }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfter: Math.ceil(retryAfterSeconds) }),
  };
}
