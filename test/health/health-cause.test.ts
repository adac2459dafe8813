import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";
import {
  type HealthCause,
  NoHealthError,
  causeOf,
  causeSchema,
  causeText,
  clockCause,
} from "../../src/health/health-cause.ts";
import { clockTold } from "../../src/health/reported-health.ts";

describe("health/health-cause", () => {
  const coded = (code: string): Error => Object.assign(new Error("peer says <b>x</b>"), { code });
  const unreachable = (cause: unknown): FederationError =>
    new FederationError("ERR_FED_UNREACHABLE", "it cannot be reached", { cause });

  for (const [code, words] of Object.entries({
    ECONNREFUSED: "connection refused",
    ENOTFOUND: "no such host",
    UND_ERR_CONNECT_TIMEOUT: "timed out",
    CERT_HAS_EXPIRED: "certificate expired",
    DEPTH_ZERO_SELF_SIGNED_CERT: "certificate not trusted",
    ERR_TLS_CERT_ALTNAME_INVALID: "certificate for another name",
    ERR_SSL_WRONG_VERSION_NUMBER: "no TLS in common",
    ERR_SOMETHING_ELSE: "cannot be reached",
  })) {
    it(`says "${words}" of ${code}, however deep it lies`, () => {
      assert.equal(causeText(causeOf(unreachable(coded(code)))), words);
      const tried = Object.assign(new Error(), { errors: [coded(code)] });
      assert.equal(causeText(causeOf(unreachable(tried))), words);
    });
  }

  it("says what this server's own policy refuses, and what was late", () => {
    const forbidden = new FederationError("ERR_FED_FORBIDDEN_ADDRESS");
    assert.equal(causeOf(forbidden).code, "refused-by-policy");
    assert.equal(causeOf(new FederationError("ERR_FED_TIMEOUT")).code, "timed-out");
  });

  it("says by which code a session is refused", () => {
    const cause = causeOf(new FederationError("ERR_FED_NOT_TRUSTED"));
    assert.equal(causeText(cause), "session refused: ERR_FED_NOT_TRUSTED");
  });

  it("tells a server error from an answer that is no health", () => {
    assert.equal(
      causeText(causeOf(new NoHealthError(502))),
      "answered with a server error (HTTP 502)",
    );
    const wrapped = new FederationError("ERR_FED_BAD_RESPONSE", "", {
      cause: new NoHealthError(404),
    });
    assert.equal(causeText(causeOf(wrapped)), "answered with no health (HTTP 404)");
  });

  it("says how far a clock is off, within bounds", () => {
    assert.equal(causeText(clockCause(120.4)), "clock 120 s ahead");
    assert.equal(causeText(clockCause(-90)), "clock 90 s behind");
    assert.equal(clockCause(Infinity).clockAheadSeconds, 1_000_000_000);
  });

  it("reads a clock from a Date, and nothing from what is none, or is close", () => {
    const now = Date.UTC(2026, 0, 1);
    const date = (ahead: number): string => new Date(now + ahead).toUTCString();
    assert.deepEqual(clockTold(date(120_000), now), { code: "clock", clockAheadSeconds: 120 });
    assert.equal(clockTold(date(30_000), now), undefined);
    for (const none of [undefined, "", "soon", "x".repeat(10_000)]) {
      assert.equal(clockTold(none, now), undefined);
    }
  });

  it("holds nothing that is not of its own words, whatever a failure is made of", () => {
    const loop: { cause?: unknown } = {};
    loop.cause = loop;
    for (const odd of [
      loop,
      undefined,
      "text",
      5,
      coded("<script>"),
      coded("__proto__"),
      { code: 7 },
    ]) {
      const cause = causeOf(odd);
      assert.deepEqual(cause, { code: "unreachable" });
      assert.ok(causeSchema.safeParse(cause).success);
    }
  });

  it("reads no stored cause of another form", () => {
    const good: HealthCause = { code: "session-refused", refusal: "ERR_FED_BLOCKED" };
    assert.ok(causeSchema.safeParse(good).success);
    for (const wrong of [{ code: "hello" }, { ...good, refusal: "<b>" }, { ...good, text: "x" }]) {
      assert.equal(causeSchema.safeParse(wrong).success, false);
    }
  });
});
