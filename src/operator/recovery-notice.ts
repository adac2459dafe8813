import { printRecoveryKey } from "../identity/recovery.ts";
import type { SigningKey } from "../identity/server-keys.ts";

/** What an operator reads, once, of a recovery key that was just made. Secret: for a terminal only. */
export function recoveryNotice(key: SigningKey): string {
  return `The recovery key of this server, shown this once and kept nowhere:

    ${printRecoveryKey(key)}

Write it down and keep it away from this machine. Should the server's keys be stolen or lost, it alone
replaces them at every peer, by \`npx aether-federation keys recover\`. Whoever has it can be this server.
Its id, which is public, is ${key.kid}.`;
}
