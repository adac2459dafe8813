/** Which Node.js this package runs on. */

const NEEDED = [22, 19] as const;

/** What is wrong with a version of Node.js, or undefined. The entries are told before anything else fails. */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return undefined;
  return `aether-federation needs Node.js ${NEEDED.join(".")} or later, and this is ${version}: install the current LTS release (https://nodejs.org).`;
}
