/** Assets on their way in: hashed while they are written, and nowhere to be seen until all is right. */
import { agreesWithMediaType, sniffMediaType } from "../verify/media-type.ts";
import { AssetVerifier, type VerificationResult } from "../verify/verification.ts";
import type { IncomingFile } from "./incoming-file.ts";
import type { QuarantineDetails } from "./quarantine.ts";
import { storeFailure } from "./store-folder.ts";

/** What is to come in. */
export interface ExpectedIncoming {
  /** SRI, sha256. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** Origin of the server whose it is said to be. */
  readonly owner?: string | undefined;
}

/** What came in: what it should be, or what differs. `type`: the bytes are not of the claimed type. */
export type IncomingResult =
  | VerificationResult
  | {
      readonly valid: false;
      readonly mismatches: readonly ["type"];
      readonly expected: { readonly hash: string; readonly size: number; readonly type: string };
      readonly actual: {
        readonly hash: string;
        readonly size: number;
        /** What the bytes look like. */
        readonly type: string | undefined;
      };
    };

/** What the store does for an asset that comes in. Sizes are counted against its quota. */
export interface IncomingHost {
  /** Makes room. @throws FederationError `ERR_FED_ASSET_STORE_FULL` */
  reserve(bytes: number): Promise<void>;
  free(bytes: number): void;
  /** Gives a file whose bytes are right its place in the store. */
  adopt(file: IncomingFile): Promise<void>;
  /** Keeps a closed file for a resume. */
  keep(file: IncomingFile): Promise<void>;
  /** Puts a closed file aside; its id, or undefined when it was too large to keep. */
  quarantine(file: IncomingFile, details: QuarantineDetails): Promise<string | undefined>;
  /** Deletes a closed file. */
  dispose(file: IncomingFile): Promise<void>;
}

/**
 * One asset being received. Ends with a {@link commit} that is valid, {@link suspend},
 * {@link discard} or {@link quarantine}; also when it fails, which discards it.
 */
export class IncomingAsset {
  readonly expected: ExpectedIncoming;
  /** Whether an earlier attempt's bytes were taken up: then a mismatch may be that attempt's fault. */
  readonly resumed: boolean;
  readonly #host: IncomingHost;
  readonly #file: IncomingFile;
  #verifier: AssetVerifier;
  #over = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    host: IncomingHost,
    expected: ExpectedIncoming,
    file: IncomingFile,
    verifier: AssetVerifier,
  ) {
    this.#host = host;
    this.expected = expected;
    this.#file = file;
    this.#verifier = verifier;
    this.resumed = file.size > 0;
  }

  /** Bytes that are there: where the next one belongs. */
  get offset(): number {
    return this.#file.size;
  }

  /**
   * Appends bytes; resolves when the disk has taken them. False once there are more than expected:
   * those are not written, and none after them.
   *
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL`, `ERR_FED_STORE_UNAVAILABLE`; it is discarded.
   */
  write(chunk: Uint8Array): Promise<boolean> {
    return this.#inTurn(async () => {
      if (!this.#verifier.update(chunk)) return false;
      await this.#host.reserve(chunk.length);
      try {
        await this.#file.append(chunk);
      } catch (cause) {
        this.#host.free(chunk.length);
        throw cause;
      }
      return true;
    });
  }

  /**
   * Takes what was written into the store, if it is what was expected. Otherwise nothing is served,
   * and it is for the caller to discard, restart or quarantine it.
   *
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL`, `ERR_FED_STORE_UNAVAILABLE`; it is discarded.
   */
  commit(): Promise<IncomingResult> {
    return this.#inTurn(async () => {
      const result = this.#verifier.result();
      if (!result.valid) return result;
      const { mediaType } = this.expected;
      const { hash, size } = result;
      if (!agreesWithMediaType(this.#file.head, mediaType)) {
        return {
          valid: false,
          mismatches: ["type"],
          expected: { hash, size, type: mediaType },
          actual: { hash, size, type: sniffMediaType(this.#file.head) },
        };
      }
      await this.#host.adopt(this.#file);
      this.#over = true;
      return result;
    });
  }

  /** Back to offset 0. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      const { size } = this.#file;
      await this.#file.clear();
      this.#host.free(size);
      this.#verifier = new AssetVerifier(this.expected);
    });
  }

  /** Keeps what is there for a later attempt. Harmless when it is over. */
  async suspend(): Promise<void> {
    await this.#end(() => this.#host.keep(this.#file));
  }

  /** Deletes what is there. Harmless when it is over. */
  async discard(): Promise<void> {
    await this.#end(() => this.#host.dispose(this.#file));
  }

  /**
   * Keeps what is there aside for the operator, never to be served. Bytes past the expected size are
   * not part of it.
   *
   * @returns its id, or undefined when it was larger than the quarantine and was discarded.
   */
  async quarantine(details: QuarantineDetails): Promise<string | undefined> {
    return this.#end(() => this.#host.quarantine(this.#file, details));
  }

  async #end<T>(settle: () => Promise<T>): Promise<T | undefined> {
    const ending = this.#turn.then(async () => {
      if (this.#over) return undefined;
      this.#over = true;
      try {
        await this.#file.close();
        return await settle();
      } catch (cause) {
        throw storeFailure(cause);
      }
    });
    this.#turn = ending.catch(() => undefined);
    return ending;
  }

  /** One step at a time: a step that fails leaves nothing behind. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const taken = this.#turn.then(async () => {
      if (this.#over) throw new TypeError("this incoming asset is over already");
      try {
        return await step();
      } catch (cause) {
        if (cause instanceof TypeError) throw cause;
        this.#over = true;
        await this.#file.close().catch(() => undefined);
        await this.#host.dispose(this.#file).catch(() => undefined);
        throw storeFailure(cause);
      }
    });
    this.#turn = taken.catch(() => undefined);
    return taken;
  }
}
