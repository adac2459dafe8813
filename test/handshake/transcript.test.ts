import assert from "node:assert/strict";
import { transcriptBytes } from "../../src/handshake/transcript.ts";

describe("handshake/transcript", () => {
  it("signs the transcript of PROTOCOL 4, byte for byte", () => {
    const bytes = Buffer.from(
      transcriptBytes({
        role: "responder",
        originA: "https://a",
        originB: "https://b",
        kidA: "ka",
        kidB: "kb",
        nonceA: "AQ",
        nonceB: "Ag",
        protocol: "aether/1",
      }),
    );
    const lp = (part: string | Buffer): string => {
      const raw = Buffer.from(part as string);
      return `${raw.length.toString(16).padStart(8, "0")}${raw.toString("hex")}`;
    };
    const parts = ["responder", "https://a", "https://b", "ka", "kb"];
    const nonces = [Buffer.from([1]), Buffer.from([2])];
    assert.equal(
      bytes.toString("hex"),
      `${Buffer.from("aether/1 handshake\0").toString("hex")}${parts.map(lp).join("")}${nonces
        .map(lp)
        .join("")}${lp("aether/1")}`,
    );
  });

  it("never shifts bytes from one part of the transcript to the next", () => {
    const base = { kidA: "ka", kidB: "kb", nonceA: "AQ", nonceB: "Ag", protocol: "p" };
    const one = transcriptBytes({ role: "initiator", originA: "ab", originB: "c", ...base });
    const two = transcriptBytes({ role: "initiator", originA: "a", originB: "bc", ...base });
    assert.notDeepEqual(one, two);
  });
});
