import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { FederationAssetReference } from "aether-federation";
import { type Arrival, type Failure, type Progress, Traveler } from "aether-federation/client";
import { assetUrl, sriOf } from "../support/assets.ts";
import { commandAnswer } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { signedPost } from "../../src/testing/signed-post.ts";
import { assertRefused, callAs, operatorKey } from "../support/operator.ts";
import { ASSETS, type ServerProcess } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { nextMessage, portal } from "../support/sdk.ts";
import { Visitor } from "../support/visitor.ts";

describe("assets that players bring along", function () {
  this.timeout(60_000);
  const at = running({
    home: { script: ASSETS },
    away: { script: ASSETS },
    third: { script: ASSETS, flags: ["--max-asset-bytes", "1000"] },
    liar: { script: ASSETS, flags: ["--forge"] },
    idler: { script: ASSETS, flags: ["--stall"] },
  });

  it("are at the other server before the player is, where the room waits for them", async () => {
    const hat = await own(at.home, randomBytes(300_000));
    const visitor = await wearer(at.home, "eager", hat);
    const progress: { receivedBytes: number; totalBytes: number; stage: string }[] = [];
    visitor.room.onMessage("federation:progress", (message) => progress.push(message as never));
    const transit = await visitor.transit(portal(at.away, "eager"));
    const { status, bytes } = await served(at.away, hat);
    assert.equal(status, 200);
    assert.equal(sriOf(bytes), hat.assetHash);
    assert.ok(progress.length > 0);
    assert.deepEqual(progress.at(-1), {
      ...{ transferId: transit.transferId, to: portal(at.away, "eager"), stage: "assets" },
      ...{ receivedBytes: hat.size, totalBytes: hat.size },
    });
    await visitor.arrive(transit);
    const { player } = await visitor.whoAmI();
    assert.deepEqual(player?.carried?.["outfit"], [hat]);
    await visitor.leave();
  });

  it("follow the player where the room does not wait", async () => {
    const hat = await own(at.home, randomBytes(20_000));
    const visitor = await wearer(at.home, "lazy", hat);
    await visitor.cross(portal(at.away, "lazy"));
    await eventually(async () => {
      assert.equal((await served(at.away, hat)).status, 200);
    });
    await visitor.leave();
  });

  it("go on to a further server, and come home again", async () => {
    const hat = await own(at.home, randomBytes(500));
    const visitor = await wearer(at.home, "eager", hat);
    await visitor.cross(portal(at.away, "eager"));
    await visitor.cross(portal(at.third, "eager"));
    assert.equal((await served(at.third, hat)).status, 200);
    await visitor.cross(portal(at.home, "eager"));
    assert.deepEqual((await visitor.whoAmI()).player?.carried?.["outfit"], [hat]);
    await visitor.leave();
  });

  it("come from whoever has them, when their owner is a liar", async () => {
    const bytes = randomBytes(5_000);
    const theirs = await own(at.liar, bytes);
    // Home has the same bytes: the hash makes them as good as the owner's.
    await own(at.home, bytes);
    const visitor = await wearer(at.home, "eager", theirs);
    await visitor.cross(portal(at.away, "eager"));
    assert.equal(sriOf((await served(at.away, theirs)).bytes), theirs.assetHash);
    await visitor.leave();
  });

  it("keep the player at home when a byte of them was changed, and the operator is told", async () => {
    const hat = await own(at.liar, randomBytes(5_000));
    const visitor = await wearer(at.liar, "eager", hat);
    await assert.rejects(visitor.transit(portal(at.away, "eager")), /ERR_FED_ASSET_MISMATCH/u);
    assert.equal((await served(at.away, hat)).status, 404);
    const told = (await events(at.away)).find(
      ({ reference }) => reference.assetHash === hat.assetHash,
    );
    assert.equal(told?.type, "mismatch");
    assert.equal(told?.source, at.liar.origin);
    assert.equal(told?.action, "quarantine");
    const aside = await fetchJson<{ expectedHash: string }[]>(`${at.away.origin}/quarantine`);
    assert.ok(aside.some(({ expectedHash }) => expectedHash === hat.assetHash));
    const peer = (await at.away.peers()).find(({ origin }) => origin === at.liar.origin);
    assert.ok((peer?.wrongAssets ?? 0) > 0, "the monitor shows it");
    // It plays on, and nothing has been decided about it.
    assert.equal((await visitor.whoAmI()).player?.home, at.liar.origin);
    await visitor.leave();
  });

  it("keep the player at home when they are larger than the other server takes", async () => {
    const hat = await own(at.home, randomBytes(2_000));
    const visitor = await wearer(at.home, "eager", hat);
    await assert.rejects(visitor.transit(portal(at.third, "eager")), /ERR_FED_ASSET_TOO_LARGE/u);
    await visitor.whoAmI();
    await visitor.leave();
  });

  it("keep the player at home when nobody has them", async () => {
    const hat = {
      ...{ originServer: at.home.origin, assetHash: sriOf(randomBytes(8)), size: 8 },
      mediaType: "text/plain",
    };
    const visitor = await wearer(at.home, "eager", hat);
    await assert.rejects(visitor.transit(portal(at.away, "eager")), /ERR_FED_ASSET_UNAVAILABLE/u);
    await visitor.leave();
  });

  it("let the player turn round, who is told meanwhile how far they are", async () => {
    const hat = await own(at.idler, randomBytes(1000));
    const traveler = new Traveler(at.idler.origin, { name: "Waverer" });
    const room = await traveler.join("eager");
    const worn = nextMessage(room, "worn");
    room.send("wear", hat);
    await worn;
    const to = portal(at.away, "eager");
    const progress = new Promise<Progress>((resolve) => traveler.onProgress(resolve));
    const failures: Failure[] = [];
    traveler.onFailed((failure) => failures.push(failure));
    traveler.enter(to);
    const { transferId, ...told } = await progress;
    assert.deepEqual(told, { to, stage: "assets", receivedBytes: 0, totalBytes: hat.size });

    traveler.enter(to);
    traveler.enter(portal(at.idler, "lazy"));
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
    assert.equal((await arrived).origin, at.away.origin);
    await traveler.leave();
  });

  it("come all that a manifest names", async () => {
    const parts = await Promise.all([
      own(at.home, randomBytes(3_000)),
      own(at.home, randomBytes(4_000)),
    ]);
    const manifest = await fetchJson<FederationAssetReference>(`${at.home.origin}/manifest`, {
      method: "POST",
      body: JSON.stringify(parts),
    });
    const visitor = await wearer(at.home, "eager", manifest);
    await visitor.cross(portal(at.away, "eager"));
    for (const part of [manifest, ...parts]) {
      assert.equal(sriOf((await served(at.away, part)).bytes), part.assetHash);
    }
    await visitor.leave();
  });

  it("are prepared for trusted peers only", async () => {
    const key = await operatorKey(at.home);
    const body = { assets: [] };
    const stranger = { origin: "http://localhost:9", key };
    const refused = await signedPost(stranger, `${at.away.origin}/federation/assets/prepare`, body);
    assertRefused(refused, 401, "ERR_FED_HANDSHAKE_REQUIRED");
  });

  it("are prepared 32 at a time at most", async () => {
    const asset = await own(at.home, randomBytes(10));
    const assets = Array.from({ length: 33 }, () => asset);
    const answer = await callAs(at.home, at.away, "/assets/prepare", { assets });
    assertRefused(answer, 400, "ERR_FED_MALFORMED");
  });

  it("are listed, released and purged by the operator's command line", async () => {
    const asked = [await own(at.liar, randomBytes(600)), await own(at.liar, randomBytes(700))];
    for (const hat of asked) {
      const visitor = await wearer(at.liar, "eager", hat);
      await assert.rejects(visitor.transit(portal(at.away, "eager")), /ERR_FED_ASSET_MISMATCH/u);
      await visitor.leave();
    }
    const { items } = await commandAnswer<{ items: Quarantined[] }>(
      at.away,
      "assets",
      "quarantine",
    );
    const [first, second] = asked.map(({ assetHash }) =>
      items.find(({ expectedHash }) => expectedHash === assetHash),
    );
    assert.equal(first?.origin, at.liar.origin);
    const { asset } = await commandAnswer<{ asset: { hash: string } }>(
      at.away,
      "assets",
      "release",
      first.id,
    );
    assert.equal(asset.hash, first.actualHash);
    const released = { ...asked[0]!, assetHash: asset.hash };
    await eventually(async () => {
      assert.equal(sriOf((await served(at.away, released)).bytes), asset.hash);
    });
    assert.equal(
      (await served(at.away, asked[0]!)).status,
      404,
      "never under the hash it pretended",
    );
    const { purged } = await commandAnswer<{ purged: number }>(
      at.away,
      "assets",
      "purge",
      second!.id,
    );
    assert.equal(purged, 1);
    const { assets } = await commandAnswer<{ assets: { hash: string }[] }>(
      at.away,
      "assets",
      "list",
    );
    assert.ok(assets.some(({ hash }) => hash === asset.hash));
    await assert.rejects(
      commandAnswer(at.away, "assets", "release", second!.id),
      /nothing called/u,
    );
    await assert.rejects(commandAnswer(at.away, "assets", "purge"), /name the item/u);
  });

  async function wearer(server: ServerProcess, world: string, hat: unknown): Promise<Visitor> {
    const visitor = await Visitor.login(server, { world });
    const worn = nextMessage(visitor.room, "worn");
    visitor.room.send("wear", hat);
    await worn;
    return visitor;
  }
});

async function own(server: ServerProcess, bytes: Buffer): Promise<FederationAssetReference> {
  return fetchJson(`${server.origin}/own`, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: Buffer.from(bytes.toString("base64")),
  });
}

async function served(
  server: ServerProcess,
  { assetHash }: FederationAssetReference,
): Promise<{ status: number; bytes: Uint8Array }> {
  const response = await fetch(assetUrl(server, assetHash));
  return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
}

interface Quarantined {
  readonly id: string;
  readonly origin: string;
  readonly expectedHash: string;
  readonly actualHash: string;
}

interface AssetEvent {
  readonly type: string;
  readonly source: string;
  readonly action: string;
  readonly reference: FederationAssetReference;
}

async function events(server: ServerProcess): Promise<AssetEvent[]> {
  return fetchJson(`${server.origin}/events`);
}
