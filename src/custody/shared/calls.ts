/** Calls of PROTOCOL 6 as they come in from peers: each side has a table of those it answers. */
import type { z } from "zod";
import type { CallAnswer, FederationErrorCode } from "../../errors.ts";

/** Who calls; its signature has been verified. */
export interface Caller {
  readonly origin: string;
  /** When it signed the call: its own Unix seconds. */
  readonly sentAt: number;
}

/** Parses the body, then decides. */
export type CallHandler = (body: unknown, caller: Caller) => Promise<CallAnswer>;

/** The calls that one side answers, by name. */
export type CallTable = Readonly<Record<string, CallHandler>>;

/** A handler whose body is parsed by `schema`; what does not fit is `ERR_FED_MALFORMED`. */
export function handler<Request>(
  schema: z.ZodType<Request>,
  handle: (request: Request, caller: Caller) => Promise<CallAnswer>,
): CallHandler {
  return async (body, caller) => {
    const parsed = schema.safeParse(body);
    return parsed.success ? handle(parsed.data, caller) : malformed(parsed.error);
  };
}

/** The refusal of a body that is not of its schema's form: where, and what is wrong there. */
export function malformed(error: z.ZodError): Exclude<CallAnswer, { ok: true }> {
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
): Exclude<CallAnswer, { ok: true }> {
  return { ok: false, code, reason };
}
