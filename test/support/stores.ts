/** Asset stores on a real folder for tests, and what tests do with them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ContentStore, type ContentStoreOptions } from "../../src/assets/store/content-store.ts";
import type { StoredAsset } from "../../src/assets/store/stored-asset.ts";
import { expectedOf, hexOf } from "./assets.ts";
import { folderOfTest } from "./folders.ts";
import { recordingLogger } from "./loggers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** The media type of bytes that look like nothing. */
export const TYPE = "application/octet-stream";

/** A folder of the running test, and the stores that it opens there. */
export interface StoreFolderOfTest {
  /** Where the test may write; gone after it. */
  readonly folder: string;
  /** The stores' own folder within it. */
  readonly directory: string;
  readonly clock: ManualClock;
  /** What the stores told the operator. */
  readonly said: string[];
  /** Opens a store, closed after the test. */
  readonly openStore: (options?: Partial<ContentStoreOptions>) => Promise<ContentStore>;
  /** Where a store keeps these bytes. */
  readonly contentPath: (bytes: Uint8Array) => string;
}

/** For a `describe`: each of its tests has a folder, a clock and stores of its own. */
export function storesOnDisk(): StoreFolderOfTest {
  const folder = folderOfTest();
  let stores: ContentStore[] = [];
  const here = {
    get folder() {
      return folder.path;
    },
    directory: "",
    clock: new ManualClock(),
    said: [] as string[],
    openStore: async (options: Partial<ContentStoreOptions> = {}) => {
      const { directory, clock, said } = here;
      const logger = recordingLogger(said);
      const store = await ContentStore.open({
        ...{ directory, clock, logger },
        maxBytes: 10 * 1024 * 1024,
        ...options,
      });
      stores.push(store);
      return store;
    },
    contentPath: (bytes: Uint8Array): string => {
      const hex = hexOf(bytes);
      return join(here.directory, "sha256", hex.slice(0, 2), hex, "content");
    },
  };
  beforeEach(() => {
    here.directory = join(folder.path, "assets");
    here.clock = new ManualClock();
    here.said = [];
    stores = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
  });
  return here;
}

/** All that a stream yields. */
export async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Puts an asset in as a peer's. */
export async function put(
  store: ContentStore,
  bytes: Uint8Array,
  mediaType = TYPE,
  owner?: string,
): Promise<string> {
  const incoming = await store.receive({ ...expectedOf(bytes, mediaType), owner });
  await incoming.write(bytes.subarray(incoming.offset));
  const result = await incoming.commit();
  assert.ok(result.valid, JSON.stringify(result));
  return result.hash;
}

/** The bytes that a store serves under a hash. */
export async function read(store: ContentStore, hash: string): Promise<Buffer | undefined> {
  const opened = await store.open(hash);
  if (opened === undefined) return undefined;
  const bytes = await bytesOf(opened.stream());
  await opened.close();
  return bytes;
}

/** All that a store lists. */
export async function listed(store: ContentStore): Promise<StoredAsset[]> {
  const assets: StoredAsset[] = [];
  for await (const asset of store.list()) assets.push(asset);
  return assets;
}
