/** Calls of PROTOCOL 6 as they come in from peers: each side has a table of those it answers. */
import type { z } from "zod";
import type { FederationErrorCode } from "../../errors.ts";

/** Answer to a call from a peer: a 200 body, or a coded refusal. */
export type CustodyAnswer =
  | { readonly ok: true; readonly body: unknown }
  | {
      readonly ok: false;
      readonly code: FederationErrorCode;
      readonly reason: string;
      readonly retryAfterSeconds?: number;
    };

/** Who calls; its signature has been verified. */
export interface Caller {
  readonly origin: string;
  /** When it signed the call: its own Unix seconds. */
  readonly sentAt: number;
}

/** Parses the body, then decides. */
export type CallHandler = (body: unknown, caller: Caller) => Promise<CustodyAnswer>;

/** The calls that one side answers, by name. */
export type CallTable = Readonly<Record<string, CallHandler>>;

/** A handler whose body is parsed by `schema`; what does not fit is `ERR_FED_MALFORMED`. */
export function handler<Request>(
  schema: z.ZodType<Request>,
  handle: (request: Request, caller: Caller) => Promise<CustodyAnswer>,
): CallHandler {
  return async (body, caller) => {
    const parsed = schema.safeParse(body);
    return parsed.success ? handle(parsed.data, caller) : malformed(parsed.error);
  };
}

/** The refusal of a body that is not of its schema's form: where, and what is wrong there. */
export function malformed(error: z.ZodError): Exclude<CustodyAnswer, { ok: true }> {
  const issue = error.issues[0];
  const where = issue?.path.join(".") ?? "";
  return refusal(
    "ERR_FED_MALFORMED",
    `${where === "" ? "body" : where}: ${issue?.message ?? "malformed"}`,
  );
}

/** A coded refusal. */
export function refusal(
  code: FederationErrorCode,
  reason: string,
): Exclude<CustodyAnswer, { ok: true }> {
  return { ok: false, code, reason };
}
