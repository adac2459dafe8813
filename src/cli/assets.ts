/** `assets …`: what the store holds, and what was put aside because it was not what its hash names. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ContentStore } from "../assets/store/content-store.ts";
import { ASSETS_FOLDER } from "../runtime/data-folder.ts";
import { systemClock } from "../ports.ts";
import { CommandError, type CommandResult, table, when } from "./output.ts";

/** What `assets` can be asked for. */
export type AssetVerb = "list" | "quarantine" | "release" | "purge";

const silent = (): void => undefined;
const logger = { debug: silent, info: silent, warn: silent, error: silent };

/** Runs one `assets` command on the folder that the server has, too. */
export async function manageAssets(
  directory: string,
  verb: AssetVerb,
  item: string | undefined,
): Promise<CommandResult> {
  if (!existsSync(directory)) {
    throw new CommandError(
      `there are no assets in ${directory}: name the server's data folder with --data, or the assets' own with --assets`,
    );
  }
  // The quota is the server's to keep.
  const maxBytes = Number.MAX_SAFE_INTEGER;
  const store = await ContentStore.open({ directory, maxBytes, clock: systemClock, logger });
  try {
    if (verb === "list") return await list(store, directory);
    if (verb === "quarantine") return await quarantined(store);
    return await (verb === "release" ? release(store, item ?? "") : purge(store, item ?? ""));
  } finally {
    await store.close();
  }
}

/** Where a server keeps its assets, unless told otherwise. */
export function assetsFolder(data: string, named: string | undefined): string {
  return named ?? join(data, ASSETS_FOLDER);
}

async function list(store: ContentStore, directory: string): Promise<CommandResult> {
  const assets = [];
  for await (const asset of store.list()) assets.push(asset);
  const { bytes, count } = store.usage();
  const seen = assets.map((asset) => ({ ...asset, ...store.fileOf(asset) }));
  const rows = seen.map(({ hash, size, mediaType, own, owner = "others" }) => [
    ...[own === true ? "this server" : owner.replace(/^https?:\/\//u, ""), String(size)],
    ...[mediaType, hash],
  ]);
  const [heads, , ...lines] = table(["owner", "bytes", "type", "hash"], rows).split("\n");
  return {
    text:
      rows.length === 0
        ? `No file is in ${directory}.`
        : [
            heads,
            // The file's name stands in a line of its own: it is there to be copied.
            ...lines.flatMap((line, index) => [line, `  ${seen[index]?.path ?? "gone"}`]),
            "",
            `${count} assets, ${bytes} bytes`,
          ].join("\n"),
    json: { assets: seen, bytes, count },
  };
}

async function quarantined(store: ContentStore): Promise<CommandResult> {
  const items = await store.quarantine.list();
  const rows = items.map(({ id, quarantinedAt, origin = "?", expectedHash, reason }) => [
    id,
    when(Math.floor(quarantinedAt / 1000)),
    origin,
    expectedHash,
    reason,
  ]);
  return {
    text:
      rows.length === 0
        ? "Nothing is in quarantine."
        : table(["item", "when", "from", "should be", "why"], rows),
    json: { items },
  };
}

async function release(store: ContentStore, id: string): Promise<CommandResult> {
  const asset = await store.quarantine.release(id);
  if (asset === undefined) throw new CommandError(`nothing called ${id} is in quarantine`);
  return {
    text: `Released: it is served now, under the hash its bytes really have: ${asset.hash}`,
    json: { asset },
  };
}

async function purge(store: ContentStore, id: string): Promise<CommandResult> {
  const purged = await store.quarantine.purge(id === "all" ? undefined : id);
  if (purged === 0 && id !== "all") throw new CommandError(`nothing called ${id} is in quarantine`);
  return { text: `Purged: ${purged}`, json: { purged } };
}
