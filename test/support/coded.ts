import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";

/** For `assert.rejects` and `assert.throws`: a FederationError of this code. */
export const coded =
  (code: string) =>
  (error: unknown): true => {
    assert.ok(error instanceof FederationError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
