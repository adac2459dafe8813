/** Ports that look like somebody's: they are read in the pictures. */
import { once } from "node:events";
import { createServer } from "node:net";

const FIRST_PORTS = [4001, 5001, 3001, 7001, 8001, 9001];

/** So many free ports in a row. */
export async function freeBlock(count) {
  for (const first of FIRST_PORTS) {
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return ports;
  }
  throw new Error(`no ${count} free ports in a row`);
}

async function isFree(port) {
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
