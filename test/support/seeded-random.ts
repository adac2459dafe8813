import { createHash } from "node:crypto";
import type { Random } from "../../src/ports.ts";

/** A {@link Random} that gives the same bytes for the same seed. For tests only. */
export function seededRandom(seed: string | number): Random {
  let counter = 0;
  const block = (): Buffer => createHash("sha512").update(`${seed}/${counter++}`).digest();
  const bytes = (length: number): Uint8Array => {
    const parts: Buffer[] = [];
    for (let got = 0; got < length; got += 64) parts.push(block());
    return Buffer.concat(parts).subarray(0, length);
  };
  return {
    bytes,
    uuid: () => {
      const raw = Buffer.from(bytes(16));
      raw.writeUInt8((raw.readUInt8(6) & 0x0f) | 0x40, 6);
      raw.writeUInt8((raw.readUInt8(8) & 0x3f) | 0x80, 8);
      const hex = raw.toString("hex");
      return [0, 8, 12, 16, 20].map((from, i, all) => hex.slice(from, all[i + 1])).join("-");
    },
    fraction: () => Buffer.from(bytes(4)).readUInt32BE() / 2 ** 32,
  };
}
