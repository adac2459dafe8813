import { z } from "zod";

/** Anything JSON can say. */
export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Carried state is at most this long as JSON (PROTOCOL 6). */
export const MAX_STATE_BYTES = 32 * 1024;

/** Nesting deeper than this is refused: it serves nobody and costs every reader stack. */
export const MAX_STATE_DEPTH = 32;

/** Whether `value` nests no deeper than `limit`. */
export function isShallow(value: unknown, limit: number = MAX_STATE_DEPTH): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return false;
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? (Object.values(item) as unknown[]) : [],
    );
  }
  return true;
}

/** A player's carried state on the wire: JSON, bounded in size and depth. */
export const stateSchema = z.unknown().transform((value, context): JsonValue => {
  if (!isShallow(value)) {
    context.addIssue({ code: "custom", message: `nested deeper than ${MAX_STATE_DEPTH} levels` });
  } else if (Buffer.byteLength(JSON.stringify(value)) > MAX_STATE_BYTES) {
    context.addIssue({ code: "custom", message: `larger than ${MAX_STATE_BYTES} bytes` });
  }
  return value as JsonValue;
});

/** Whether two JSON values are the same, member order aside being significant. */
export function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
