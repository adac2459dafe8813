/** Where a server under test lives: a free port, a folder and a store of its own, gone afterwards. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { type MemoryDisk, MemoryStore } from "../storage/memory-store.ts";
import { makeTemporaryFolder } from "../storage/private-files.ts";
import { systemClock } from "../ports.ts";

/** Options of `createFederation` for a server that a test starts; the test's own go after them. */
export interface TestOptions {
  readonly origin: string;
  readonly allowInsecure: true;
  readonly dataDirectory: string;
  /** In memory; each time it is read another one over what the one before has left. */
  readonly store: MemoryStore;
  readonly stopTimeoutSeconds: number;
  readonly onRecoveryKey: () => void;
}

/** A place for one server at a time. */
export interface TestPlace {
  /** To listen at. */
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly options: TestOptions;
  /** Removes the folder; the server has to be stopped. */
  remove(): Promise<void>;
}

const STOP_SECONDS = 2;

/** Finds a place. */
export async function testPlace(): Promise<TestPlace> {
  const port = await freePort();
  const folder = await makeTemporaryFolder();
  const origin = `http://127.0.0.1:${port}`;
  const disk: MemoryDisk = new Map();
  const options: TestOptions = {
    origin,
    allowInsecure: true,
    dataDirectory: folder.path,
    get store() {
      return new MemoryStore(systemClock, disk);
    },
    stopTimeoutSeconds: STOP_SECONDS,
    onRecoveryKey: () => undefined,
  };
  return { port, origin, options, remove: folder.remove };
}

// Below the ports that systems give to connections (Linux from 32768, others from 49152): one of
// those may be taken by any connection between being found free and being listened at.
const [FIRST_PORT, LAST_PORT] = [20_000, 32_767];
const MAX_TRIES = 100;

/**
 * A port at which nobody listens, from 20000 to 32767.
 *
 * @throws {Error} of Node.js, when a hundred that were tried are all taken.
 */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    const server = createServer();
    try {
      await once(server.listen(port), "listening");
      await once(server.close(), "close");
      return port;
    } catch (cause) {
      if (tries === MAX_TRIES) throw cause;
    }
  }
}
