/**
 * The key file: this server's identity, mode 0600, written atomically.
 *
 * Nothing in it is ever logged. Losing it means a new identity: every peer will quarantine this
 * server until its operator approves the new key.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { FederationError } from "../errors.ts";
import { addRecoveryKey } from "../identity/key-rotation.ts";
import { MAX_RECOVERIES, MAX_RECOVERY_LENGTH } from "../identity/recovery.ts";
import {
  type KeyRing,
  type PrivateJwk,
  type SigningKey,
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
} from "../identity/server-keys.ts";
import type { Random } from "../ports.ts";
import { NO_FOLLOW, isLink } from "./private-files.ts";

const privateSchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().length(43),
  d: z.string().length(43),
});
const publicSchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().length(43),
  kid: z.string().length(43),
  use: z.literal("sig"),
});
const secondsSchema = z.int().nonnegative().optional();
const retiredSchema = publicSchema.extend({
  since: secondsSchema,
  retiredAt: secondsSchema,
  revokedAt: secondsSchema,
});
const fileSchema = z.strictObject({
  current: privateSchema,
  next: privateSchema.optional(),
  retired: z.array(retiredSchema).max(1000),
  since: secondsSchema,
  hasStore: z.boolean().optional(),
  recovery: z
    .strictObject({
      kid: z.string().length(43),
      statements: z.array(z.string().max(MAX_RECOVERY_LENGTH)).max(MAX_RECOVERIES),
    })
    .optional(),
});

/**
 * Reads the key ring at `path`, or makes one there. A new one has a recovery key, whose private half is
 * for `onRecoveryKey` and is kept nowhere; where nobody takes it, there is none.
 *
 * @throws FederationError `ERR_FED_KEY_FILE` when the file is unreadable, malformed or open to
 * other users.
 */
export async function loadOrCreateKeyRing(
  path: string,
  random: Random,
  onRecoveryKey?: (key: SigningKey) => void,
): Promise<KeyRing> {
  const existing = await loadKeyRing(path);
  if (existing !== undefined) return existing;
  const bare: KeyRing = { current: generateSigningKey(random), next: undefined, retired: [] };
  const { ring: fresh, recoveryKey } =
    onRecoveryKey === undefined
      ? { ring: bare, recoveryKey: undefined }
      : addRecoveryKey(bare, random);
  await createKeyFile(path, fresh);
  // Two processes may start at once on one folder: whoever made the file first has the key.
  const ring = (await loadKeyRing(path)) ?? fresh;
  if (recoveryKey !== undefined && ring.recovery?.kid === recoveryKey.kid) {
    onRecoveryKey?.(recoveryKey);
  }
  return ring;
}

/** Changes whenever the key file is replaced; empty when there is none. */
export async function keyFileVersion(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino}.${mtimeMs}.${size}`;
  } catch {
    return "";
  }
}

/** Reads the key ring at `path`; undefined when there is no such file. */
export async function loadKeyRing(path: string): Promise<KeyRing | undefined> {
  let text: string;
  try {
    if (isLink(path)) {
      throw new FederationError(
        "ERR_FED_KEY_FILE",
        `The key file ${path} is a symbolic link: put the file itself there, and look who made the link.`,
      );
    }
    const { mode } = await stat(path);
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new FederationError(
        "ERR_FED_KEY_FILE",
        `The key file ${path} can be read by other users: run chmod 600 on it, and rotate the key if anybody may have read it.`,
      );
    }
    text = await readFile(path, { encoding: "utf8", flag: constants.O_RDONLY | NO_FOLLOW });
  } catch (cause) {
    if (cause instanceof FederationError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new FederationError("ERR_FED_KEY_FILE", `The key file ${path} cannot be read.`, {
      cause,
    });
  }
  try {
    const file = fileSchema.parse(JSON.parse(text));
    return {
      current: importSigningKey(file.current),
      next: file.next === undefined ? undefined : importSigningKey(file.next),
      retired: file.retired,
      since: file.since,
      hasStore: file.hasStore,
      recovery: file.recovery,
    };
  } catch {
    // The cause may quote the file: it stays here.
    throw new FederationError(
      "ERR_FED_KEY_FILE",
      `The key file ${path} is damaged: restore it from a backup, or remove it to take a new identity.`,
    );
  }
}

/**
 * Replaces the key file in one step: after a crash there is the old ring or the new one.
 *
 * @throws FederationError `ERR_FED_KEY_FILE` when it cannot be written.
 */
export async function saveKeyRing(path: string, ring: KeyRing): Promise<void> {
  await writeWhole(path, ring, rename);
}

/**
 * Writes down that a store belongs to the key, and returns the ring as it is then. What the command line
 * changes meanwhile stays.
 *
 * @throws FederationError `ERR_FED_KEY_FILE` when it cannot be written.
 */
export async function bindKeyRing(path: string, ring: KeyRing): Promise<KeyRing> {
  let present = ring;
  while (present.hasStore !== true) {
    const version = await keyFileVersion(path);
    const bound = { ...((await loadKeyRing(path)) ?? present), hasStore: true };
    if ((await keyFileVersion(path)) !== version) continue;
    await saveKeyRing(path, bound);
    present = bound;
  }
  return present;
}

async function createKeyFile(path: string, ring: KeyRing): Promise<void> {
  // A link fails where a file is already, so of two that start at once one makes the key.
  await writeWhole(path, ring, async (temporary, target) => {
    try {
      await link(temporary, target);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

/** Writes and syncs a file beside `path`, puts it in place, syncs the folder. */
async function writeWhole(
  path: string,
  ring: KeyRing,
  place: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}.${randomUUID()}.tmp`;
    await writeSynced(temporary, ring);
    await place(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    throw new FederationError(
      "ERR_FED_KEY_FILE",
      `The key file ${path} cannot be written: check that the folder is writable.`,
      { cause },
    );
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows does not open folders; there the rename is as durable as it gets.
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeSynced(path: string, ring: KeyRing): Promise<void> {
  const file: z.infer<typeof fileSchema> = {
    current: strip(exportSigningKey(ring.current)),
    ...(ring.next === undefined ? {} : { next: strip(exportSigningKey(ring.next)) }),
    retired: [...ring.retired],
    since: ring.since,
    hasStore: ring.hasStore,
    recovery:
      ring.recovery === undefined
        ? undefined
        : { kid: ring.recovery.kid, statements: [...ring.recovery.statements] },
  };
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(path, 0o600);
}

function strip({ kty, crv, x, d }: PrivateJwk): PrivateJwk {
  return { kty, crv, x, d };
}
