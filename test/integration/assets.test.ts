import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { FederationAssetReference } from "aether-federation";
import { type Arrival, type Failure, type Progress, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { operatorKey, signedPost } from "../support/operator.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { Visitor } from "../support/visitor.ts";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SCRIPT = "test/fixtures/assets-server.ts";

describe("assets that players bring along", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let home: ServerProcess;
  let away: ServerProcess;
  let third: ServerProcess;
  let liar: ServerProcess;
  let idler: ServerProcess;

  before(async () => {
    [home, away, third, liar, idler] = (await servers.start([
      { name: "home", script: SCRIPT },
      { name: "away", script: SCRIPT },
      { name: "third", script: SCRIPT, flags: ["--max-asset-bytes", "1000"] },
      { name: "liar", script: SCRIPT, flags: ["--forge"] },
      { name: "idler", script: SCRIPT, flags: ["--stall"] },
    ])) as [ServerProcess, ServerProcess, ServerProcess, ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  it("are at the other server before the player is, where the room waits for them", async () => {
    const hat = await own(home, randomBytes(300_000));
    const visitor = await wearer(home, "eager", hat);
    const progress: { receivedBytes: number; totalBytes: number; stage: string }[] = [];
    visitor.room.onMessage("federation:progress", (message) => progress.push(message as never));
    const transit = await visitor.transit(portal(away, "eager"));
    const { status, bytes } = await served(away, hat);
    assert.equal(status, 200);
    assert.equal(sri(bytes), hat.assetHash);
    assert.ok(progress.length > 0);
    assert.deepEqual(progress.at(-1), {
      ...{ transferId: transit.transferId, to: portal(away, "eager"), stage: "assets" },
      ...{ receivedBytes: hat.size, totalBytes: hat.size },
    });
    await visitor.arrive(transit);
    const { player } = await visitor.whoAmI();
    assert.deepEqual(player?.carried?.["outfit"], [hat]);
    await visitor.room.leave();
  });

  it("follow the player where the room does not wait", async () => {
    const hat = await own(home, randomBytes(20_000));
    const visitor = await wearer(home, "lazy", hat);
    await visitor.cross(portal(away, "lazy"));
    await eventually(async () => {
      assert.equal((await served(away, hat)).status, 200);
    });
    await visitor.room.leave();
  });

  it("go on to a further server, and come home again", async () => {
    const hat = await own(home, randomBytes(500));
    const visitor = await wearer(home, "eager", hat);
    await visitor.cross(portal(away, "eager"));
    await visitor.cross(portal(third, "eager"));
    assert.equal((await served(third, hat)).status, 200);
    await visitor.cross(portal(home, "eager"));
    assert.deepEqual((await visitor.whoAmI()).player?.carried?.["outfit"], [hat]);
    await visitor.room.leave();
  });

  it("come from whoever has them, when their owner is a liar", async () => {
    const bytes = randomBytes(5_000);
    const theirs = await own(liar, bytes);
    // Home has the same bytes: the hash makes them as good as the owner's.
    await own(home, bytes);
    const visitor = await wearer(home, "eager", theirs);
    await visitor.cross(portal(away, "eager"));
    assert.equal(sri((await served(away, theirs)).bytes), theirs.assetHash);
    await visitor.room.leave();
  });

  it("keep the player at home when a byte of them was changed, and the operator is told", async () => {
    const hat = await own(liar, randomBytes(5_000));
    const visitor = await wearer(liar, "eager", hat);
    await assert.rejects(visitor.transit(portal(away, "eager")), /ERR_FED_ASSET_MISMATCH/u);
    assert.equal((await served(away, hat)).status, 404);
    const told = (await events(away)).find(
      ({ reference }) => reference.assetHash === hat.assetHash,
    );
    assert.equal(told?.type, "mismatch");
    assert.equal(told?.source, liar.origin);
    assert.equal(told?.action, "quarantine");
    const aside = (await (await fetch(`${away.origin}/quarantine`)).json()) as {
      expectedHash: string;
    }[];
    assert.ok(aside.some(({ expectedHash }) => expectedHash === hat.assetHash));
    const peer = (await away.peers()).find(({ origin }) => origin === liar.origin);
    assert.ok((peer?.wrongAssets ?? 0) > 0, "the monitor shows it");
    // It plays on, and nothing has been decided about it.
    assert.equal((await visitor.whoAmI()).player?.home, liar.origin);
    await visitor.room.leave();
  });

  it("keep the player at home when they are larger than the other server takes", async () => {
    const hat = await own(home, randomBytes(2_000));
    const visitor = await wearer(home, "eager", hat);
    await assert.rejects(visitor.transit(portal(third, "eager")), /ERR_FED_ASSET_TOO_LARGE/u);
    await visitor.whoAmI();
    await visitor.room.leave();
  });

  it("keep the player at home when nobody has them", async () => {
    const hat = {
      ...{ originServer: home.origin, assetHash: sri(randomBytes(8)), size: 8 },
      mediaType: "text/plain",
    };
    const visitor = await wearer(home, "eager", hat);
    await assert.rejects(visitor.transit(portal(away, "eager")), /ERR_FED_ASSET_UNAVAILABLE/u);
    await visitor.room.leave();
  });

  it("let the player turn round, who is told meanwhile how far they are", async () => {
    const hat = await own(idler, randomBytes(1000));
    const traveler = new Traveler(idler.origin, { name: "Waverer" });
    const room = await traveler.join("eager");
    const worn = new Promise((resolve) => room.onMessage("worn", resolve));
    room.send("wear", hat);
    await worn;
    const to = portal(away, "eager");
    const progress = new Promise<Progress>((resolve) => traveler.onProgress(resolve));
    const failures: Failure[] = [];
    traveler.onFailed((failure) => failures.push(failure));
    traveler.enter(to);
    const { transferId, ...told } = await progress;
    assert.deepEqual(told, { to, stage: "assets", receivedBytes: 0, totalBytes: hat.size });

    traveler.enter(to);
    traveler.enter(portal(idler, "lazy"));
    traveler.cancel(crypto.randomUUID());
    traveler.cancel(transferId);
    await eventually(() => {
      assert.deepEqual(
        failures.map((failure) => [failure.transferId, failure.code]),
        [[transferId, "ERR_FED_CROSSING_ABANDONED"]],
      );
    });
    assert.equal(traveler.room, room);

    room.send("wear", null);
    const arrived = new Promise<Arrival>((resolve) => traveler.onArrive(resolve));
    traveler.enter(to);
    assert.equal((await arrived).origin, away.origin);
    await traveler.leave();
  });

  it("come all that a manifest names", async () => {
    const parts = await Promise.all([own(home, randomBytes(3_000)), own(home, randomBytes(4_000))]);
    const response = await fetch(`${home.origin}/manifest`, {
      method: "POST",
      body: JSON.stringify(parts),
    });
    const manifest = (await response.json()) as FederationAssetReference;
    const visitor = await wearer(home, "eager", manifest);
    await visitor.cross(portal(away, "eager"));
    for (const part of [manifest, ...parts]) {
      assert.equal(sri((await served(away, part)).bytes), part.assetHash);
    }
    await visitor.room.leave();
  });

  it("are prepared for trusted peers only", async () => {
    const key = await operatorKey(home);
    const body = { assets: [] };
    const stranger = { origin: "http://localhost:9", key };
    const refused = await signedPost(stranger, `${away.origin}/federation/assets/prepare`, body);
    assert.deepEqual([refused.status, refused.body["code"]], [401, "ERR_FED_HANDSHAKE_REQUIRED"]);
  });

  it("are prepared 32 at a time at most", async () => {
    const from = { origin: home.origin, key: await operatorKey(home) };
    const asset = await own(home, randomBytes(10));
    const answer = await signedPost(from, `${away.origin}/federation/assets/prepare`, {
      assets: Array.from({ length: 33 }, () => asset),
    });
    assert.deepEqual([answer.status, answer.body["code"]], [400, "ERR_FED_MALFORMED"]);
  });

  it("are listed, released and purged by the operator's command line", async () => {
    const asked = [await own(liar, randomBytes(600)), await own(liar, randomBytes(700))];
    for (const hat of asked) {
      const visitor = await wearer(liar, "eager", hat);
      await assert.rejects(visitor.transit(portal(away, "eager")), /ERR_FED_ASSET_MISMATCH/u);
      await visitor.room.leave();
    }
    const { items } = await operator<{ items: Quarantined[] }>(away, "quarantine");
    const [first, second] = asked.map(({ assetHash }) =>
      items.find(({ expectedHash }) => expectedHash === assetHash),
    );
    assert.equal(first?.origin, liar.origin);
    const { asset } = await operator<{ asset: { hash: string } }>(away, "release", first.id);
    assert.equal(asset.hash, first.actualHash);
    const released = { ...asked[0]!, assetHash: asset.hash };
    await eventually(async () => {
      assert.equal(sri((await served(away, released)).bytes), asset.hash);
    });
    assert.equal((await served(away, asked[0]!)).status, 404, "never under the hash it pretended");
    const { purged } = await operator<{ purged: number }>(away, "purge", second?.id);
    assert.equal(purged, 1);
    const { assets } = await operator<{ assets: { hash: string }[] }>(away, "list");
    assert.ok(assets.some(({ hash }) => hash === asset.hash));
    await assert.rejects(operator(away, "release", second?.id), /nothing called/u);
    await assert.rejects(operator(away, "purge"), /name the item/u);
  });

  async function wearer(at: ServerProcess, world: string, hat: unknown): Promise<Visitor> {
    const visitor = await Visitor.login(at, { world });
    const worn = new Promise((resolve) => visitor.room.onMessage("worn", resolve));
    visitor.room.send("wear", hat);
    await worn;
    return visitor;
  }
});

function portal(server: ServerProcess, world: string): string {
  return `aether://${server.authority}/${world}`;
}

async function own(server: ServerProcess, bytes: Buffer): Promise<FederationAssetReference> {
  const response = await fetch(`${server.origin}/own`, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: Buffer.from(bytes.toString("base64")),
  });
  return (await response.json()) as FederationAssetReference;
}

async function served(
  server: ServerProcess,
  { assetHash }: FederationAssetReference,
): Promise<{ status: number; bytes: Uint8Array }> {
  const hex = Buffer.from(assetHash.slice("sha256-".length), "base64").toString("hex");
  const response = await fetch(`${server.origin}/federation/assets/sha256/${hex}`);
  return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
}

interface Quarantined {
  readonly id: string;
  readonly origin: string;
  readonly expectedHash: string;
  readonly actualHash: string;
}

async function operator<Answer>(
  server: ServerProcess,
  ...args: readonly (string | undefined)[]
): Promise<Answer> {
  const asked = ["assets", ...args.filter((arg) => arg !== undefined)];
  const flags = ["--data", server.spec.data, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...asked, ...flags]);
  return JSON.parse(stdout) as Answer;
}

interface AssetEvent {
  readonly type: string;
  readonly source: string;
  readonly action: string;
  readonly reference: FederationAssetReference;
}

async function events(server: ServerProcess): Promise<AssetEvent[]> {
  return (await (await fetch(`${server.origin}/events`)).json()) as AssetEvent[];
}

function sri(bytes: Uint8Array): string {
  return `sha256-${createHash("sha256").update(bytes).digest("base64")}`;
}
