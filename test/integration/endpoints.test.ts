import assert from "node:assert/strict";
import { request } from "node:http";
import { verifyDescriptor } from "../../src/identity/descriptor.ts";
import { signedPost } from "../../src/testing/signed-post.ts";
import { assertRefused, callAs, operatorKey } from "../support/operator.ts";
import { ROOMS } from "../support/processes.ts";
import { worlds } from "../support/running.ts";

describe("the endpoints of a live server", function () {
  this.timeout(60_000);
  const at = worlds("plaza", "arena");

  it("serves a descriptor that verifies", async () => {
    const response = await fetch(`${at.plaza.origin}/.well-known/aether-federation`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/u);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
    const maxAge = /max-age=(\d+)/u.exec(response.headers.get("cache-control") ?? "")?.[1];
    assert.ok(Number(maxAge) <= 3600);
    const document = (await response.json()) as Record<string, unknown>;
    const verified = await verifyDescriptor(document, {
      now: Date.now(),
      origin: at.plaza.origin,
      allowInsecure: true,
    });
    assert.ok(verified.verified);
    const { jws: _jws, ...members } = document;
    assert.deepEqual(verified.descriptor, members);
    assert.deepEqual(members["protocols"], [
      "aether/1",
      "aether-trust/1",
      "aether-party/1",
      "aether-trade/1",
      "aether-receipts/1",
      "aether-way-home/1",
      "aether-link/1",
    ]);
    assert.deepEqual(members["worlds"], ["plaza"]);
    assert.equal(members["endpoint"], `${at.plaza.origin}/federation`);
  });

  it("serves health", async () => {
    const response = await fetch(`${at.plaza.origin}/federation/health`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^application\/health\+json/u);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(body["status"], "pass");
    assert.match(String(body["version"]), /^\d+\.\d+\.\d+$/u);
  });

  it("answers an unknown path with a problem document", async () => {
    await problem("GET", "/nope", undefined, 404, "ERR_FED_NOT_FOUND");
  });

  it("answers an unknown custody call with a problem document", async () => {
    await problem("POST", "/custody/steal", "{}", 404, "ERR_FED_NOT_FOUND");
  });

  it("answers a wrong method with 405 and Allow", async () => {
    const response = await problem(
      "GET",
      "/custody/claim",
      undefined,
      405,
      "ERR_FED_METHOD_NOT_ALLOWED",
    );
    assert.equal(response.headers.get("allow"), "POST");
  });

  it("refuses an unsigned call", async () => {
    await problem("POST", "/custody/claim", "{}", 401, "ERR_FED_SIGNATURE_MISSING");
  });

  it("asks an origin it has never met for a handshake", async () => {
    const stranger = { origin: "http://localhost:9", key: await operatorKey(at.arena) };
    const answer = await signedPost(stranger, `${at.plaza.origin}/federation/custody/claim`, {
      transferId: crypto.randomUUID(),
    });
    assertRefused(answer, 401, "ERR_FED_HANDSHAKE_REQUIRED");
  });

  it("refuses a body over 64 KiB before parsing it", async () => {
    await problem("POST", "/custody/claim", "x".repeat(65 * 1024), 413, "ERR_FED_BODY_TOO_LARGE");
  });

  it("refuses a body over 64 KiB that does not say how long it is", async () => {
    const status = await new Promise<number>((resolve, reject) => {
      const sent = request(
        `${at.plaza.origin}/federation/custody/claim`,
        { method: "POST" },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      sent.on("error", reject);
      for (let chunk = 0; chunk < 70; chunk += 1) sent.write("x".repeat(1024));
      sent.end();
    });
    assert.equal(status, 413);
  });

  it("refuses a signed body that is not JSON", async () => {
    const answer = await callAs(at.arena, at.plaza, "/custody/claim", "no object");
    assertRefused(answer, 400, "ERR_FED_MALFORMED");
    assert.ok(answer.headers.has("signature"));
  });

  it("refuses a signed body that nests too deeply", async () => {
    let deep: unknown = {};
    for (let level = 0; level < 200; level += 1) deep = { deep };
    const answer = await callAs(at.arena, at.plaza, "/custody/claim", deep);
    assertRefused(answer, 400, "ERR_FED_MALFORMED");
  });

  it("serves the page at / and the monitor at /monitor", async () => {
    const page = await fetch(at.plaza.origin);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /data-world="plaza"/u);
    const monitor = await fetch(`${at.plaza.origin}/monitor`);
    assert.equal(monitor.status, 200);
  });

  it("answers too many requests from one address with 429, before reading any further", async () => {
    const busy = await at.servers.launch({ name: "busy", script: ROOMS, flags: ["--limit", "5"] });
    await busy.ready();
    const url = `${busy.origin}/federation/custody/claim`;
    const codes: unknown[] = [];
    let last: Response | undefined;
    for (let request = 0; request < 10; request += 1) {
      last = await fetch(url, { method: "POST", body: "{}" });
      codes.push(((await last.json()) as { code: unknown }).code);
    }
    assert.ok(codes.slice(0, 5).every((code) => code === "ERR_FED_SIGNATURE_MISSING"));
    assert.ok(codes.slice(5).every((code) => code === "ERR_FED_RATE_LIMITED"));
    assert.equal(last?.status, 429);
    assert.ok(Number(last?.headers.get("retry-after")) > 0);
  });

  it("answers too many signed requests from one peer with a signed 429", async () => {
    const [patient, eager] = await at.servers.start([
      { name: "patient", script: ROOMS, flags: ["--peer-limit", "5"] },
      { name: "eager", script: ROOMS },
    ]);
    const answers: Awaited<ReturnType<typeof callAs>>[] = [];
    // More than two windows let through, should one end while this runs.
    for (let request = 0; request < 11; request += 1) {
      answers.push(
        await callAs(eager!, patient!, "/custody/claim", { transferId: crypto.randomUUID() }),
      );
    }
    const limited = answers.filter(({ body }) => body["code"] === "ERR_FED_RATE_LIMITED");
    assert.ok(answers.slice(0, 5).every((answer) => !limited.includes(answer)));
    assert.ok(limited.length > 0);
    assert.ok(limited.every(({ status, headers }) => status === 429 && headers.has("signature")));
  });

  async function problem(
    method: string,
    path: string,
    body: string | undefined,
    status: number,
    code: string,
  ): Promise<Response> {
    const response = await fetch(`${at.plaza.origin}/federation${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    const document = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, status);
    assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/u);
    assert.equal(document["status"], status);
    assert.equal(document["code"], code);
    assert.equal(typeof document["type"], "string");
    assert.equal(typeof document["title"], "string");
    assert.equal(document["stack"], undefined);
    return response;
  }
});
