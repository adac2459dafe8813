/** A server with one large asset: `node bench/asset-sender.ts FOLDER MEBIBYTES`. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ContentStore } from "../src/assets/store/content-store.ts";
import { createAssetServer } from "../src/http/inbound/asset-server.ts";
import { type Logger, systemClock } from "../src/ports.ts";

const MEBIBYTE = 1024 * 1024;
const [folder = "", mebibytes = "1024"] = process.argv.slice(2);
const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: console.error,
  error: console.error,
};
const size = Number(mebibytes) * MEBIBYTE;
const store = await ContentStore.open({
  directory: folder,
  maxBytes: 2 * size,
  clock: systemClock,
  logger,
});

async function* noise(): AsyncGenerator<Uint8Array> {
  const block = randomBytes(MEBIBYTE);
  for (let index = 0; index < Number(mebibytes); index += 1) {
    const next = Buffer.from(block);
    next.writeUInt32BE(index);
    yield next;
  }
}

const asset = await store.add(noise(), { mediaType: "application/octet-stream" });
const serve = createAssetServer({ store, clock: systemClock, logger });
const server = createServer((request, response) => {
  void serve(request, response, request.url?.slice("/federation".length) ?? "");
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ origin: `http://127.0.0.1:${port}`, asset });
});
process.on("disconnect", () => process.exit());
