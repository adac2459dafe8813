/** `keys show|rotate|revoke|recovery|recover`. */
import {
  type WithRecovery,
  addRecoveryKey,
  announceNextKey,
  datedKey,
  recoverKeys,
  revokeKey,
  switchToNextKey,
} from "../identity/key-rotation.ts";
import { isOrigin } from "../identity/origin.ts";
import { printRecoveryKey } from "../identity/recovery.ts";
import type { KeyRing } from "../identity/server-keys.ts";
import { recoveryNotice } from "../operator/recovery-notice.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import { handStoreTo, storeIdentity } from "../runtime/store-identity.ts";
import { loadKeyRing, saveKeyRing } from "../storage/key-file.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";
import { recoveryKeyFrom } from "./recovery-input.ts";

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
    ring.recovery === undefined
      ? ["none", "recovery", "make one: aether-federation keys recovery"]
      : [ring.recovery.kid, "recovery", "replaces all others; its private half is with you"],
  ];
  return {
    text: table(["key id", "state", ""], rows),
    json: {
      current: ring.current.kid,
      next: ring.next?.kid ?? null,
      retired: ring.retired.map(({ kid }) => kid),
      recovery: ring.recovery?.kid ?? null,
    },
  };
}

/** First announces the next key, then, asked again with `--switch`, signs with it. */
export async function rotateKeys(
  deployment: Deployment,
  flags: { readonly switch: boolean; readonly anyway: boolean },
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
      text: `The next key is ${announced.next?.kid ?? ""}. A running server announces it to its peers now.\nPeers that are away learn it when they renew their session: wait a day, then run\n  aether-federation keys rotate --switch\nwhich names those that have not seen it.`,
      json: { current: announced.current.kid, next: announced.next?.kid ?? null },
    };
  }
  if (ring.next === undefined) {
    throw new CommandError(
      "no next key is announced: run keys rotate first, and switch when peers have seen it",
    );
  }
  const unseen = whoHasNotSeen(deployment, ring.next.kid);
  const names = unseen.map(({ origin, why }) => `  ${origin}: ${why}`).join("\n");
  if (unseen.length > 0 && !flags.anyway) {
    return {
      text: `Not switched: these peers would quarantine this server until their operators approve.\n${names}\nTry again when they are back (aether-federation peers retry <origin> asks one at once), or switch with --anyway.`,
      json: { current: ring.current.kid, next: ring.next.kid, unseen },
      exitCode: EXIT.failed,
    };
  }
  const switched = switchToNextKey(ring, now());
  await saveKeyRing(keyPath, switched);
  await deployment.audit("key-switched", switched.current.kid);
  return {
    text: `The current key is ${switched.current.kid} now. A running server signs with it within a second.${unseen.length === 0 ? "" : `\nThese peers have not seen it:\n${names}`}`,
    json: { current: switched.current.kid, next: null, unseen },
  };
}

/** Trusted peers that have not said, at their last handshake, that they know one of our keys. */
function whoHasNotSeen(
  { registry }: Deployment,
  kid: string,
): readonly { readonly origin: string; readonly why: string }[] {
  return registry
    .list({ trust: TrustState.Trusted })
    .filter(({ seenKeys }) => seenKeys?.includes(kid) !== true)
    .map(({ origin, seenKeys, lastHandshakeAt }) => ({
      origin,
      why:
        seenKeys === undefined
          ? "it does not say which keys it knows"
          : `it did not know the next key at its last handshake, ${when(lastHandshakeAt)}`,
    }));
}

/** Makes a recovery key where there is none, or in place of a lost one, and shows it once. */
export async function makeRecoveryKey(
  deployment: Deployment,
  flags: { readonly lost: boolean },
): Promise<CommandResult> {
  const { keyPath } = deployment;
  const ring = await ringAt(keyPath);
  if (ring.recovery !== undefined && !flags.lost) {
    throw new CommandError(
      `there is a recovery key already, ${ring.recovery.kid}. To replace it, run keys recover --keep-keys with it; if it is lost, run keys recovery --lost, and every peer that knows it will ask its operator`,
    );
  }
  const made = addRecoveryKey(ring, systemRandom);
  await saveKeyRing(keyPath, made.ring);
  await deployment.audit("recovery-key-made", made.recoveryKey.kid);
  const after =
    ring.recovery === undefined
      ? "Peers learn its id at their next handshake, at once where this server runs."
      : "Peers that know the lost one quarantine this server until their operators approve.";
  return shown(made, after);
}

/** Replaces every key by word of the recovery key, whoever has them; or the recovery key itself. */
export async function recoverAllKeys(
  deployment: Deployment,
  flags: {
    readonly from: string | undefined;
    readonly keepKeys: boolean;
    readonly origin: string | undefined;
  },
): Promise<CommandResult> {
  const { keyPath, store } = deployment;
  const ring = await loadKeyRing(keyPath);
  const identity = await storeIdentity(store);
  const origin = identity?.origin ?? flags.origin;
  if (origin === undefined || !isOrigin(origin, { allowInsecure: true })) {
    throw new CommandError("name this server by --origin: its data does not say it", EXIT.usage);
  }
  const by = await recoveryKeyFrom(flags.from);
  let recovered: WithRecovery;
  try {
    const asked = { origin, random: systemRandom, now: now(), keepKeys: flags.keepKeys };
    recovered = await recoverKeys(ring, by, asked);
  } catch (cause) {
    throw new CommandError(cause instanceof Error ? cause.message : "it cannot be used");
  }
  const { current } = recovered.ring;
  await saveKeyRing(keyPath, { ...recovered.ring, hasStore: true });
  if (identity !== undefined && datedKey(recovered.ring, identity.kid) === undefined) {
    await handStoreTo(store, { kid: current.kid, origin });
  }
  await deployment.audit("keys-recovered", current.kid);
  return shown(
    recovered,
    flags.keepKeys && ring !== undefined
      ? "The keys are as they were; the recovery key that you brought is used up."
      : `The current key is ${current.kid}; every other is revoked, and the recovery key that you brought is used up. Peers that know it follow when they next hear of this server, at once where it runs; the others ask their operators.`,
  );
}

function shown({ ring, recoveryKey }: WithRecovery, after: string): CommandResult {
  return {
    text: `${recoveryNotice(recoveryKey)}\n\n${after}`,
    json: {
      current: ring.current.kid,
      recovery: recoveryKey.kid,
      recoveryKey: printRecoveryKey(recoveryKey),
    },
  };
}

/** Stops using a key that may be in other hands. */
export async function revokeOneKey(deployment: Deployment, kid: string): Promise<CommandResult> {
  const { keyPath } = deployment;
  const ring = await ringAt(keyPath);
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
    throw new CommandError(
      `there is data, but no key at ${path}: restore keys.json from a backup, or replace it by the recovery key (aether-federation keys recover)`,
    );
  }
  return ring;
}
