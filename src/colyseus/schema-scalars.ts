/** Carried values as scalar fields of `@colyseus/schema` take them: by type and range. */
import type { JsonValue } from "../json.ts";

/** A value that fits, or why it does not. */
export type Fitting =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string };

/** Integers by the bits that the schema sends of them; 64 are more than a number holds. */
const INTEGER = /^(u?)int(8|16|32|64)$/u;
const BIGINT = /^big(u?)int64$/u;

/** A carried value as a scalar field of that type takes it. */
export function fitting(type: unknown, carried: JsonValue, maxTextLength: number): Fitting {
  if (type === "string") {
    if (typeof carried !== "string") return no("it must be a text");
    return carried.length > maxTextLength
      ? no(`a text longer than ${maxTextLength} characters`)
      : yes(carried);
  }
  if (type === "boolean") {
    return typeof carried === "boolean" ? yes(carried) : no("it must be true or false");
  }
  if (typeof type === "string" && BIGINT.test(type)) return fittingBigInt(type, carried);
  const isQuantized = typeof type === "object" && type !== null && Object.hasOwn(type, "quantized");
  if (!isQuantized && typeof type !== "string") return no("the schema's type is none that travels");
  if (typeof carried !== "number") return no("it must be a number");
  if (isQuantized) return fittingQuantized(type, carried);
  if (type === "float32") {
    return Number.isFinite(Math.fround(carried)) ? yes(carried) : no("it is no float32");
  }
  if (type === "number" || type === "float64") return yes(carried);
  const scalar = typeof type === "string" ? type : "";
  const [, unsigned, bits] = INTEGER.exec(scalar) ?? [];
  if (bits === undefined) return no("the schema's type is none that travels");
  const high = Math.min(
    2 ** (Number(bits) - (unsigned === "u" ? 0 : 1)) - 1,
    Number.MAX_SAFE_INTEGER,
  );
  const low = unsigned === "u" ? 0 : Math.max(-high - 1, Number.MIN_SAFE_INTEGER);
  return Number.isInteger(carried) && carried >= low && carried <= high
    ? yes(carried)
    : no(`it is no ${scalar}`);
}

function fittingBigInt(type: string, carried: JsonValue): Fitting {
  if (typeof carried !== "string" || !/^-?\d{1,20}$/u.test(carried)) {
    return no("it must be a whole number, as a text");
  }
  const value = BigInt(carried);
  const held = type === "bigint64" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
  return held === value ? yes(value) : no(`it is no ${type}`);
}

function fittingQuantized(type: object, carried: number): Fitting {
  const { min, max, wrap } = (type as { quantized: { min: number; max: number; wrap?: boolean } })
    .quantized;
  return wrap === true || (carried >= min && carried <= max)
    ? yes(carried)
    : no(`it must be from ${min} to ${max}`);
}

function yes(value: unknown): Fitting {
  return { ok: true, value };
}

function no(reason: string): Fitting {
  return { ok: false, reason };
}
