/**
 * Leaves out what the SDK prints of connections that are cut here on purpose, which would bury what
 * the tests themselves say. Everything else is printed.
 */
const CHATTER =
  /^(?:Room connection was closed unexpectedly|@colyseus\/sdk: onMessage\(\) not registered|\[Colyseus reconnection\])/u;

for (const level of ["log", "info", "warn", "error"]) {
  const print = console[level].bind(console);
  console[level] = (...said) => {
    if (typeof said[0] !== "string" || !CHATTER.test(said[0])) print(...said);
  };
}
