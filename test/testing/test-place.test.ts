import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { freePort } from "../../src/testing/test-place.ts";

describe("testing: a free port", () => {
  it("is none that a system gives to a connection", async () => {
    const ports = await Promise.all(Array.from({ length: 64 }, () => freePort()));
    assert.deepEqual(
      ports.filter((port) => port < 20_000 || port > 32_767),
      [],
    );
  });

  it("can be listened at", async () => {
    const server = createServer();
    await once(server.listen(await freePort()), "listening");
    server.close();
  });
});
