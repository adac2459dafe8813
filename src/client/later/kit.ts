/** What this part uses of the one that has loaded it. */
import type { Kit } from "../kit.ts";

/** Empty until {@link use}. */
export const kit = {} as Kit;

/** Takes what it is handed. */
export function use(given: Kit): void {
  Object.assign(kit, given);
}
