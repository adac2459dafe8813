/** A process looked at through its inspector (`--inspect`). */

/** Enough for a collection of a big heap on a busy machine. */
const TIMEOUT_MILLISECONDS = 30_000;

/** Collects its garbage and says how many bytes are left: the heap, and buffers beside it. */
export async function keptBytes(url: string): Promise<number> {
  const socket = new WebSocket(url);
  const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
  try {
    await heard(socket, "open", signal);
    await ask(socket, 1, "HeapProfiler.collectGarbage", signal);
    const usage = await ask(socket, 2, "Runtime.getHeapUsage", signal);
    return (usage["usedSize"] ?? 0) + (usage["backingStorageSize"] ?? 0);
  } finally {
    socket.close();
  }
}

async function ask(
  socket: WebSocket,
  id: number,
  method: string,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  socket.send(JSON.stringify({ id, method }));
  for (;;) {
    const { data } = (await heard(socket, "message", signal)) as MessageEvent<string>;
    const answer = JSON.parse(data) as { id?: number; result?: Record<string, number> };
    if (answer.id === id) return answer.result ?? {};
  }
}

function heard(socket: WebSocket, name: string, signal: AbortSignal): Promise<Event> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error(`the inspector sent no ${name}`));
    socket.addEventListener(name, resolve, { once: true });
    socket.addEventListener("error", fail, { once: true });
    signal.addEventListener("abort", fail, { once: true });
  });
}
