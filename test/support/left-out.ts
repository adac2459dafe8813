/** What this machine cannot test, and why: said at the end of the run. */

/** Reasons of this process, printed by `quiet.mjs`. */
const reasons = ((globalThis as { leftOut?: Set<string> }).leftOut ??= new Set());

/** Leaves a test or its suite out. @param context `this` of the test or hook. */
export function leaveOut(context: Mocha.Context, reason: string): never {
  reasons.add(`Left out: ${reason}`);
  return context.skip();
}
