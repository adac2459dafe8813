/** What lies in the data folder, and what the running server and its command line share by it. */

/** Files in the data folder. */
export const DATA_FILES = {
  keys: "keys.json",
  store: "federation.sqlite",
  audit: "audit.jsonl",
  lock: "running.lock",
  /** What the origin that a server has left is to serve. */
  movedTo: "moved-to.json",
} as const;

/** Folder of the assets, in the data folder. */
export const ASSETS_FOLDER = "assets";

/** Entries of the store by which the command line asks for a handshake. */
export const RETRY_PREFIX = "retry/";

/** Entries of the store by which the command line asks for a player to be called home, by local id. */
export const RECALL_PREFIX = "recall/";
