/** `keys show|rotate|revoke`. */
import { announceNextKey, revokeKey, switchToNextKey } from "../identity/key-rotation.ts";
import type { KeyRing } from "../identity/server-keys.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { loadKeyRing, saveKeyRing } from "../storage/key-file.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";

/** Shows the key ids; never a private key. */
export async function showKeys({ keyPath }: Deployment): Promise<CommandResult> {
  const ring = await ringAt(keyPath);
  const rows = [
    [ring.current.kid, "current", "signs everything"],
    ...(ring.next === undefined ? [] : [[ring.next.kid, "next", "announced, signs nothing yet"]]),
    ...ring.retired.map(({ kid, retiredAt, revokedAt }) =>
      revokedAt === undefined
        ? [kid, "retired", `signed until ${when(retiredAt)}: its receipts still verify`]
        : [kid, "revoked", `at ${when(revokedAt)}: nothing it signed since counts`],
    ),
  ];
  return {
    text: table(["key id", "state", ""], rows),
    json: {
      current: ring.current.kid,
      next: ring.next?.kid ?? null,
      retired: ring.retired.map(({ kid }) => kid),
    },
  };
}

/** First announces the next key, then, asked again with `--switch`, signs with it. */
export async function rotateKeys(
  deployment: Deployment,
  flags: { readonly switch: boolean },
): Promise<CommandResult> {
  const { keyPath } = deployment;
  const ring = await ringAt(keyPath);
  if (!flags.switch) {
    const announced = announceNextKey(ring, systemRandom);
    if (announced !== ring) {
      await saveKeyRing(keyPath, announced);
      await deployment.audit("key-announced", announced.next?.kid ?? "");
    }
    return {
      text: `The next key is ${announced.next?.kid ?? ""}. A running server announces it to its peers now.\nPeers that are away learn it when they renew their session: wait a day, then run\n  aether-federation keys rotate --switch`,
      json: { current: announced.current.kid, next: announced.next?.kid ?? null },
    };
  }
  if (ring.next === undefined) {
    throw new CommandError(
      "no next key is announced: run keys rotate first, and switch when peers have seen it",
    );
  }
  const switched = switchToNextKey(ring, now());
  await saveKeyRing(keyPath, switched);
  await deployment.audit("key-switched", switched.current.kid);
  return {
    text: `The current key is ${switched.current.kid} now. A running server signs with it within a second.`,
    json: { current: switched.current.kid, next: null },
  };
}

/** Stops using a key that may be in other hands. */
export async function revokeOneKey(
  deployment: Deployment,
  kid: string | undefined,
): Promise<CommandResult> {
  const { keyPath } = deployment;
  const ring = await ringAt(keyPath);
  if (kid === undefined) throw new CommandError("name the key id to revoke", EXIT.usage);
  const vouched = kid !== ring.current.kid || ring.next !== undefined;
  const retired = ring.retired.some((key) => key.kid === kid);
  let revoked: KeyRing;
  try {
    revoked = revokeKey(ring, kid, systemRandom, now());
  } catch {
    throw new CommandError(`no key ${kid} is here: see keys show`);
  }
  await saveKeyRing(keyPath, revoked);
  await deployment.audit("key-revoked", kid);
  const after = retired
    ? "It was retired already; what it signed from now on does not count."
    : vouched
      ? "Peers that know the announced key go on without a break."
      : "No announced key vouches for the new one: every peer's operator has to approve this server again.";
  return {
    text: `Revoked ${kid}. The current key is ${revoked.current.kid}. ${after}`,
    json: { revoked: kid, current: revoked.current.kid, vouched },
  };
}

function now(): number {
  return Math.floor(systemClock.now() / 1000);
}

async function ringAt(path: string): Promise<KeyRing> {
  const ring = await loadKeyRing(path);
  if (ring === undefined) {
    throw new CommandError(`there is no key at ${path}: name the server's data folder with --data`);
  }
  return ring;
}
