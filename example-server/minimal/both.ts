/** `npm run minimal`: two servers that are each other's peer, as docs/quick-start.md starts them by hand. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const first = Number(process.env["PORT"] ?? 2567);
const ports: number[] = [];
for (let port = first; ports.length < 2; port += 1) if (await isFree(port)) ports.push(port);
const [one = 0, two = 0] = ports;

const servers = [
  { WORLD: "plaza", PORT: `${one}`, PEERS: `http://localhost:${two}` },
  { WORLD: "arena", PORT: `${two}`, PEERS: `http://localhost:${one}` },
].map((env) =>
  spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "server.ts"], {
    ...{ cwd: import.meta.dirname, stdio: "inherit", env: { ...process.env, ...env } },
  }),
);
// Ctrl-C reaches them by itself; this process ends when they have put everything away.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => {
  for (const server of servers) server.kill();
});
await Promise.all(servers.map((server) => once(server, "exit")));

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port);
  try {
    await once(probe, "listening");
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
