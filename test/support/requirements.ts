/** Programs of the machine that some tests need. In CI their absence is a failure. */
import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import { leaveOut } from "./left-out.ts";

const NEEDS = {
  chromium: { what: "browser tests", add: "apt-get install chromium" },
  nginx: { what: "tests behind nginx", add: "apt-get install nginx-light" },
  caddy: { what: "tests behind Caddy", add: "apt-get install caddy" },
  postgres: { what: "PostgreSQL tests", add: "apt-get install postgresql" },
  prometheus: { what: "tests of the dashboard", add: "apt-get install prometheus" },
  openssl: { what: "tests with certificates", add: "apt-get install openssl" },
  "redis-server": { what: "Redis tests", add: "apt-get install redis-server" },
} as const;

/** The program's path, where this machine has it. */
export function findProgram(name: keyof typeof NEEDS): string | undefined {
  // Debian keeps PostgreSQL's programs by their version, and not on the path.
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...globSync("/usr/lib/postgresql/*/bin"),
  ];
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** The program's path; skips the suite, or fails it in CI, when it is not there. */
export function requireProgram(context: Mocha.Context, name: keyof typeof NEEDS): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  const { what, add } = NEEDS[name];
  const reason = `${what}, for want of ${name} (add it with: ${add})`;
  if (process.env["CI"] !== undefined) throw new Error(reason);
  return leaveOut(context, reason);
}
