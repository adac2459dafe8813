/** How assets come into a store: from peers, from the operator, and out of the quarantine. */
import { createHash } from "node:crypto";
import { FederationError } from "../../errors.ts";
import { assetHash } from "../verify/integrity.ts";
import { agreesWithMediaType, sniffMediaType } from "../verify/media-type.ts";
import { AssetVerifier } from "../verify/verification.ts";
import { type AssetEntry, type AssetFiles, describe } from "./asset-files.ts";
import { type ExpectedIncoming, IncomingAsset, type IncomingHost } from "./incoming-asset.ts";
import { IncomingFile } from "./incoming-file.ts";
import type { Partials } from "./partials.ts";
import { type Quarantine, type QuarantinedAsset, forgetDetails } from "./quarantine.ts";
import { type StoreFolder, codeOf, fingerprint } from "./store-folder.ts";
import type { StoreRoom } from "./store-room.ts";
import type { StoreSession } from "./store-session.ts";
import type { StoreSteps } from "./store-steps.ts";
import type { StoredAsset } from "./stored-asset.ts";

/** What an intake works with: the parts of one store. */
export interface IntakeParts {
  readonly folder: StoreFolder;
  readonly session: StoreSession;
  readonly files: AssetFiles;
  readonly partials: Partials;
  readonly room: StoreRoom;
  readonly quarantine: Quarantine;
  readonly steps: StoreSteps;
}

/** Writes files in this process' own place, counted against the quota, until they are right. */
export class Intake {
  readonly #folder: StoreFolder;
  readonly #session: StoreSession;
  readonly #files: AssetFiles;
  readonly #partials: Partials;
  readonly #room: StoreRoom;
  readonly #quarantine: Quarantine;
  readonly #steps: StoreSteps;
  readonly #incoming = new Set<IncomingAsset>();

  constructor(parts: IntakeParts) {
    this.#folder = parts.folder;
    this.#session = parts.session;
    this.#files = parts.files;
    this.#partials = parts.partials;
    this.#room = parts.room;
    this.#quarantine = parts.quarantine;
    this.#steps = parts.steps;
  }

  /** Begins to receive an asset, or takes up where an earlier attempt stopped. */
  async receive(hex: string, expected: ExpectedIncoming): Promise<IncomingAsset> {
    let verifier = new AssetVerifier(expected);
    return this.#steps.run(async () => {
      this.#room.assertCanFit(expected.size);
      const place = this.#session.unusedPlace(hex);
      let file = await this.#resume(hex, place, (chunk) => verifier.update(chunk));
      if (file !== undefined && file.size > expected.size) {
        const { size } = file;
        await file.clear();
        this.#room.free(size);
        verifier = new AssetVerifier(expected);
      }
      file ??= await IncomingFile.create(place);
      const host = this.#hostOf(hex, expected, () => this.#incoming.delete(incoming));
      const incoming = new IncomingAsset(host, expected, file, verifier);
      this.#incoming.add(incoming);
      return incoming;
    });
  }

  /** Stores a file of the operator's own; a failure of the source is passed on. */
  async add(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    mediaType: string,
  ): Promise<StoredAsset> {
    const file = await this.#steps.run(() => IncomingFile.create(this.#session.unusedPlace()));
    const hash = createHash("sha256");
    let reserved = 0;
    try {
      for await (const chunk of source instanceof Uint8Array ? [source] : source) {
        if (!(chunk instanceof Uint8Array)) throw new TypeError("source must yield Uint8Array");
        await this.#steps.run(async () => {
          await this.#room.reserve(chunk.length);
          reserved += chunk.length;
          hash.update(chunk);
          await file.append(chunk);
        });
      }
      if (!agreesWithMediaType(file.head, mediaType)) {
        const looks = sniffMediaType(file.head) ?? "something else";
        throw new FederationError(
          "ERR_FED_ASSET_TYPE",
          `The file looks like ${looks}, not like ${mediaType}.`,
        );
      }
      const { hex } = assetHash("sha256", hash.digest());
      return describe(
        await this.#steps.run(() => this.#adopt(file, hex, { mediaType, own: true })),
      );
    } catch (cause) {
      await this.#steps.finish(async () => {
        await file.close();
        await this.#folder.dispose(file.place);
      });
      this.#room.free(reserved);
      throw cause;
    }
  }

  /** Takes what was in quarantine in, under the hash that its bytes really have. */
  async readmit(
    claim: (place: string) => Promise<boolean>,
    item: QuarantinedAsset,
  ): Promise<StoredAsset> {
    return this.#steps.run(async () => {
      const place = this.#session.unusedPlace();
      let reserved = item.size;
      await this.#room.reserve(reserved);
      let file: IncomingFile | undefined;
      try {
        if (!(await claim(place))) throw new FederationError("ERR_FED_ASSET_UNKNOWN");
        const hash = createHash("sha256");
        file = await IncomingFile.resume(place, (chunk) => {
          hash.update(chunk);
          return true;
        });
        await this.#room.reserve(file.size - reserved);
        reserved = file.size;
        const { hex } = assetHash("sha256", hash.digest());
        const mediaType = agreesWithMediaType(file.head, item.mediaType)
          ? item.mediaType
          : (sniffMediaType(file.head) ?? "application/octet-stream");
        const entry = await this.#adopt(file, hex, { mediaType, own: false });
        reserved = 0;
        await forgetDetails(this.#folder.asset(hex));
        return describe(entry);
      } catch (cause) {
        await file?.close();
        this.#room.free(reserved);
        throw cause;
      }
    });
  }

  /** Keeps everything that is coming in for a resume. */
  async suspend(): Promise<void> {
    for (const incoming of [...this.#incoming]) await incoming.suspend();
  }

  /** What an earlier attempt left of an asset, moved to `place`, its bytes handed to `take`. */
  async #resume(
    hex: string,
    place: string,
    take: (chunk: Uint8Array) => boolean,
  ): Promise<IncomingFile | undefined> {
    let counted = 0;
    const count = (bytes: number): void => {
      this.#room.count(bytes);
      counted += bytes;
    };
    if (!(await this.#partials.take(hex, place, count))) return undefined;
    let file: IncomingFile | undefined;
    try {
      file = await IncomingFile.resume(place, take);
      // What another process kept was not known of.
      await this.#room.reserve(file.size - counted);
      return file;
    } catch (cause) {
      await file?.close();
      await this.#folder.dispose(place);
      this.#room.free(counted);
      if (codeOf(cause) === "ENOENT") return undefined;
      throw cause;
    }
  }

  #hostOf(hex: string, expected: ExpectedIncoming, over: () => void): IncomingHost {
    const ended = (file: IncomingFile): void => {
      this.#room.free(file.size);
      over();
    };
    return {
      reserve: (bytes) => this.#room.reserve(bytes),
      free: (bytes) => this.#room.free(bytes),
      adopt: async (file) => {
        const { mediaType, owner } = expected;
        const as = { mediaType, own: false, ...(owner === undefined ? {} : { owner }) };
        await this.#adopt(file, hex, as);
        over();
      },
      keep: async (file) => {
        await this.#partials.keep(file.place, hex, file.size);
        ended(file);
      },
      quarantine: async (file, details) => {
        const id = await this.#quarantine.keep(file.place, expected, details);
        ended(file);
        return id;
      },
      dispose: async (file) => {
        await this.#folder.dispose(file.place);
        ended(file);
      },
    };
  }

  /** Ends the writing of a file whose bytes are right and counted, and puts it among the assets. */
  async #adopt(
    file: IncomingFile,
    hex: string,
    as: { readonly mediaType: string; readonly own: boolean; readonly owner?: string },
  ): Promise<AssetEntry> {
    const sealed = await file.seal();
    return this.#room.exclusively(async () => {
      await this.#room.make(0, 1);
      const meta = { version: 1, ...as, ...fingerprint(sealed) } as const;
      const entry = await this.#files.place(file.place, hex, meta);
      this.#room.free(file.size);
      return entry;
    });
  }
}
