/** An asset of the store, and one that is being read. */
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";

/** An asset of the store. */
export interface StoredAsset {
  /** SRI, sha256. */
  readonly hash: string;
  /** The same in lower-case hex. */
  readonly hex: string;
  /** Bytes. */
  readonly size: number;
  /** As whoever stored these bytes first had it, and as the bytes agree with. */
  readonly mediaType: string;
}

/** An asset that is being read: neither eviction nor removal takes its bytes away until it is closed. */
export interface OpenAsset {
  readonly asset: StoredAsset;
  /**
   * A stream of all bytes or of a range, `end` included. Several at once are fine.
   *
   * @throws RangeError when the range is not within the asset.
   */
  stream(range?: { readonly start: number; readonly end: number }): Readable;
  /** Call it when the streams have ended. Harmless when closed. */
  close(): Promise<void>;
}

/** An asset whose file is open; `closed` is called once, by its `close`. */
export function openAsset(asset: StoredAsset, handle: FileHandle, closed: () => void): OpenAsset {
  let open = true;
  return {
    asset,
    stream: (range = { start: 0, end: asset.size - 1 }) => {
      const { start, end } = range;
      if (asset.size === 0 && start === 0 && end === -1) return Readable.from([]);
      if (!Number.isInteger(start) || !Number.isInteger(end)) {
        throw new RangeError("start and end must be whole numbers");
      }
      if (start < 0 || start > end || end >= asset.size) {
        throw new RangeError(`bytes ${start}–${end} are not within ${asset.size}`);
      }
      return handle.createReadStream({ start, end, autoClose: false, highWaterMark: 256 * 1024 });
    },
    close: async () => {
      if (!open) return;
      open = false;
      closed();
      await handle.close();
    },
  };
}
