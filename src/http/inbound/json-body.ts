import type { z } from "zod";
import { type Answer, refusal } from "./answers.ts";

/** A body as `schema` has it, or the refusal (`ERR_FED_MALFORMED`) that names its `shape`. */
export function readJsonBody<T>(
  raw: Uint8Array,
  schema: z.ZodType<T>,
  shape: string,
): { readonly body: T } | { readonly refused: Answer } {
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(raw).toString("utf8"));
  } catch {
    return { refused: refusal("ERR_FED_MALFORMED", "The body is not JSON.") };
  }
  const parsed = schema.safeParse(said);
  if (parsed.success) return { body: parsed.data };
  return { refused: refusal("ERR_FED_MALFORMED", `The body must be ${shape}.`) };
}
