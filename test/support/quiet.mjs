/**
 * Leaves out what the SDK prints of connections that are cut here on purpose, which would bury what
 * the tests themselves say. Everything else is printed, and in the end what was left out and why.
 */
const CHATTER =
  /^(?:Room connection was closed unexpectedly|@colyseus\/sdk: onMessage\(\) not registered|\[Colyseus reconnection\])/u;

for (const level of ["log", "info", "warn", "error"]) {
  const print = console[level].bind(console);
  console[level] = (...said) => {
    if (typeof said[0] !== "string" || !CHATTER.test(said[0])) print(...said);
  };
}

export const mochaHooks = {
  afterAll() {
    for (const reason of globalThis.leftOut ?? []) console.log(reason);
    globalThis.leftOut?.clear();
  },
};
