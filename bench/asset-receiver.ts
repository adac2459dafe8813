/** A server that fetches the asset it is told to, again and again: `node bench/asset-receiver.ts FOLDER`. */
import { type AssetChunks, hashChunks } from "../src/assets/verify/chunks.ts";
import { ContentStore } from "../src/assets/store/content-store.ts";
import {
  type CompleteAssetReference,
  resolveIntegrityPolicy,
} from "../src/assets/verify/reference.ts";
import { AssetTransfer } from "../src/assets/transfer/transfer.ts";
import { createAssetSource } from "../src/http/outbound/asset-source.ts";
import { type Logger, systemClock, systemRandom } from "../src/ports.ts";

/** What the parent asks for. */
export interface FetchOrder {
  readonly reference: CompleteAssetReference;
  /** Bytes of a chunk, where chunks are to be checked. */
  readonly chunkSize?: number;
}

const [folder = ""] = process.argv.slice(2);
const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: console.error,
  error: console.error,
};
const store = await ContentStore.open({
  directory: folder,
  maxBytes: 8 * 1024 ** 3,
  clock: systemClock,
  logger,
});
const transfer = new AssetTransfer({
  store,
  policy: resolveIntegrityPolicy({ maxAssetBytes: 4 * 1024 ** 3 }),
  open: createAssetSource({ allowInsecure: true, allowPrivateNetwork: false }),
  endpointOf: (origin) => `${origin}/federation`,
  clock: systemClock,
  random: systemRandom,
  logger,
});

let known: AssetChunks | undefined;

process.on("message", (order: FetchOrder) => {
  void fetch(order).then((microseconds) => process.send?.({ microseconds }));
});
process.on("disconnect", () => process.exit());
process.send?.({ ready: true });

async function fetch({ reference, chunkSize }: FetchOrder): Promise<number> {
  await store.remove(reference.assetHash);
  const chunks = chunkSize === undefined ? undefined : known;
  const from = performance.now();
  const stored = await transfer.fetch(reference, { chunks });
  const took = (performance.now() - from) * 1000;
  if (chunkSize === undefined) known ??= await chunksOf(stored.hash);
  return took;
}

async function chunksOf(hash: string): Promise<AssetChunks> {
  const opened = await store.open(hash);
  if (opened === undefined) throw new Error("the asset is gone");
  try {
    return await hashChunks(opened.stream());
  } finally {
    await opened.close();
  }
}
