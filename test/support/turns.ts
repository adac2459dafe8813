/** Tests of whole pages take minutes on two cores: CI runs one group of them a day, `npm test` all of them. */

const GROUPS = 6;
const today = Math.floor(Date.now() / 86_400_000) % GROUPS;

/** `describe` for a group of pages' tests, from 0 to 5; in CI on another day, one that is skipped. */
export function inTurn(group: number): typeof describe | typeof describe.skip {
  return process.env["CI"] === undefined || group === today ? describe : describe.skip;
}
