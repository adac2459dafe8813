/** Room classes that the federation's hooks keep away from: only their own `onAuth` decides. */
const exempt = new WeakSet<object>();

/** Exempts a room class. */
export function exemptRoomClass(roomClass: object): void {
  exempt.add(roomClass);
}

/** Whether a room class is exempt. */
export function isExempt(roomClass: object): boolean {
  return exempt.has(roomClass);
}
