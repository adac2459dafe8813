/** `move`: this server has another origin from now on. */
import { join } from "node:path";
import { normalizeOrigin } from "../identity/origin.ts";
import { systemClock } from "../ports.ts";
import { DATA_FILES } from "../runtime/data-folder.ts";
import { type OwnMove, moveStore } from "../runtime/own-move.ts";
import { lockFolder } from "../storage/file-lock.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import { writePrivateFile } from "../storage/private-files.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT } from "./output.ts";
import { recoveryKeyFrom } from "./recovery-input.ts";

/** Moves the server whose data these are; the server does not run meanwhile. */
export async function moveServer(
  deployment: Deployment,
  given: {
    readonly to: string;
    /** File of the recovery key; `-`: standard input. Undefined: the server's key signs. */
    readonly recovery: string | undefined;
  },
): Promise<CommandResult> {
  const { folder, inFolder } = deployment;
  deployment.mayDecide();
  // As long as it is moved, nobody starts it; and as long as it runs, nobody moves it.
  const release = inFolder ? lockFolder(join(folder, DATA_FILES.lock)) : undefined;
  try {
    return await moveStopped(deployment, given);
  } finally {
    release?.();
  }
}

async function moveStopped(
  deployment: Deployment,
  given: { readonly to: string; readonly recovery: string | undefined },
): Promise<CommandResult> {
  const { folder, keyPath, store, registry } = deployment;
  const to = originOf(given.to);
  const ring = await loadKeyRing(keyPath);
  if (ring === undefined) {
    throw new CommandError(
      `there is no key at ${keyPath}: restore keys.json from a backup, or replace it first by the recovery key (aether-federation keys recover)`,
    );
  }
  const { recovery } = given;
  const recoveryKey =
    recovery === undefined
      ? undefined
      : await recoveryKeyFrom(recovery === "-" ? undefined : recovery);
  const nowSeconds = Math.floor(systemClock.now() / 1000);
  let move: OwnMove;
  try {
    move = await moveStore(store, ring, { to, recoveryKey, nowSeconds });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new CommandError(cause.message);
  }
  // Each peer has to see the new origin prove itself.
  await registry.endSessions();
  const file = join(folder, DATA_FILES.movedTo);
  await writePrivateFile(file, `${JSON.stringify(move.lastWord, null, 2)}\n`);
  await deployment.audit("moved", to);
  const hasRecovery = ring.recovery !== undefined;
  return {
    text: textOf(move, { file, hasRecovery }),
    json: { from: move.from, to, again: move.again, signedBy: move.signedBy, file },
  };
}

function originOf(text: string): string {
  try {
    return normalizeOrigin(text, { allowInsecure: true });
  } catch (cause) {
    throw new CommandError(
      `--to: ${cause instanceof Error ? cause.message : "it is no origin"}`,
      EXIT.usage,
    );
  }
}

function textOf(
  { from, to, again, signedBy }: OwnMove,
  { file, hasRecovery }: { readonly file: string; readonly hasRecovery: boolean },
): string {
  const doubt =
    signedBy === "recovery key"
      ? "Peers that know the recovery key follow at once, also where the old origin is dead."
      : hasRecovery
        ? `Where the old origin is dead, peers wait for the recovery key: run this again with --recovery <file>.`
        : "Where the old origin is dead, peers follow once it has been silent for a day (their moveGraceSeconds), or when their operators approve.";
  return [
    `${again ? `This store is that of ${to} already; its move from ${from} is signed anew` : `This server is ${to} from now on; it was ${from}`} (signed by its ${signedBy}).`,
    "",
    "What to do next:",
    `1. Serve the file ${file} at ${from}/.well-known/aether-federation, as application/json, for as long as you have that name. It is public, and any web server will do.`,
    `2. Start the server with origin: "${to}", with this data and no other copy of it.`,
    `3. See peers list: each peer follows at its next handshake. ${doubt}`,
  ].join("\n");
}
