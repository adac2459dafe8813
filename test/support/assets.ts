/** Assets for tests: bytes that are the same in every process, and what is expected of them. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

const TYPE = "application/octet-stream";

/** `size` bytes that follow from `seed`, and look random. */
export function assetBytes(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  const bytes = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
  // Never by chance the beginning of a known type.
  bytes.fill(0, 0, Math.min(4, size));
  return bytes;
}

/** Bytes that look like nothing, other ones each time. */
export function blob(size: number): Buffer {
  const bytes = randomBytes(size);
  if (size > 0) bytes[0] = 0;
  return bytes;
}

/** The hash of these bytes, as Subresource Integrity writes it. */
export function sriOf(bytes: Uint8Array | string): string {
  return `sha256-${createHash("sha256").update(bytes).digest("base64")}`;
}

/** The same in hex, as paths have it. */
export function hexOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Where a server serves an asset. */
export function assetUrl(server: { readonly origin: string }, hash: string): string {
  const hex = Buffer.from(hash.slice("sha256-".length), "base64").toString("hex");
  return `${server.origin}/federation/assets/sha256/${hex}`;
}

/** What `receive()` is told of these bytes. */
export function expectedOf(
  bytes: Uint8Array,
  mediaType = TYPE,
): { hash: string; size: number; mediaType: string } {
  return { hash: sriOf(bytes), size: bytes.length, mediaType };
}

/**
 * Every file of a folder, by its path within, with its size; others may be changing it: what is
 * moved meanwhile counts once.
 */
export function filesOf(folder: string): Map<string, number> {
  const files = new Map<number, { path: string; size: number }>();
  const look = (within: string): void => {
    let names: string[] = [];
    try {
      names = readdirSync(join(folder, within));
    } catch {
      // Moved away since it was listed.
    }
    for (const name of names) {
      const path = join(within, name);
      const stat = lstatSync(join(folder, path), { throwIfNoEntry: false });
      if (stat?.isFile() === true) files.set(stat.ino, { path, size: stat.size });
      else look(path);
    }
  };
  look("");
  return new Map([...files.values()].map(({ path, size }) => [path, size]));
}
