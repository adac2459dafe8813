import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/** Flags to open what may be a pipe: without waiting for somebody to write to it. */
export const READ_NOW = constants.O_RDONLY | constants.O_NONBLOCK;

/** A read of this size keeps the disk busy and costs the event loop well under a millisecond to hash. */
const READ_BYTES = 1024 * 1024;

/**
 * Hands an open file's bytes to `take`, from its beginning, until it ends or `take` answers false.
 * The next piece is read while this one is being taken; a piece is only valid during the call.
 */
export async function feedFile(
  handle: FileHandle,
  take: (chunk: Uint8Array) => boolean,
): Promise<void> {
  let [filled, spare] = [Buffer.allocUnsafe(READ_BYTES), Buffer.allocUnsafe(READ_BYTES)];
  let position = 0;
  let reading = handle.read(filled, 0, READ_BYTES, position);
  for (;;) {
    const { bytesRead } = await reading;
    if (bytesRead === 0) return;
    position += bytesRead;
    reading = handle.read(spare, 0, READ_BYTES, position);
    let more: boolean;
    try {
      more = take(filled.subarray(0, bytesRead));
    } catch (cause) {
      await reading.catch(() => undefined);
      throw cause;
    }
    if (!more) {
      // The caller closes the handle next: not under a read.
      await reading.catch(() => undefined);
      return;
    }
    [filled, spare] = [spare, filled];
  }
}
