import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headOf, peerOf } from "../../src/http/inbound/caller.ts";
import { Nonces } from "../../src/http/inbound/nonces.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { signRequest } from "../../src/identity/http-signatures.ts";
import { auditPeers } from "../../src/runtime/peer-audit.ts";
import { AuditLog } from "../../src/storage/audit-log.ts";
import { CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";
import { A, B, twoServers } from "../support/federation.ts";
import { quietLogger } from "../support/loggers.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { Walk } from "../support/walk.ts";

const HOME = "https://home.example";
const MALLORY = "https://mallory.example";
const ADA = "ada@home.example";

describe("a hostile peer that fills a disk", () => {
  const walk = new Walk();
  let servers: CustodyServers;

  beforeEach(() => {
    servers = new CustodyServers();
  });

  it("asks for departs that are refused: nothing of them is written", async () => {
    const home = servers.add(HOME);
    await walk.login(home, "ada", bodyThatCarries({ gold: 1 }));
    const before = servers.rowsOf(HOME);
    for (const player of [ADA, "nobody@home.example", "eve@mallory.example"]) {
      const transferId = crypto.randomUUID();
      const request = { transferId, player, epoch: 0, to: "https://x.example", world: "w" };
      assert.ok(!(await home.custody.answer(MALLORY, "depart", request, 0)).ok);
    }
    assert.deepEqual(servers.rowsOf(HOME), before);
  });

  it("holds a player and asks for departs that are refused: nothing of them is written", async () => {
    const [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    const body = bodyThatCarries({ log: "l".repeat(20_000) });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, ADA, body);
    // The destination's word on the crossing comes behind it.
    await eventually(() => {
      // Records are gathered before they are written.
      servers.clock.advance(100);
      const rows = Object.entries(servers.rowsOf(HOME));
      assert.ok(rows.some(([key, row]) => key.startsWith("receipt/") && row.includes("words")));
    });
    mallory.custody.stop();
    const before = servers.rowsOf(HOME);
    const state = { mine: "m".repeat(13_500) };
    for (const to of ["https://x.example", MALLORY]) {
      const transferId = crypto.randomUUID();
      const request = { transferId, player: ADA, epoch: 1, to, world: "w", state };
      assert.ok(!(await home.custody.answer(MALLORY, "depart", request, 0)).ok);
    }
    assert.deepEqual(servers.rowsOf(HOME), before);
  });

  it("sends its player round and round to itself: it is refused", async () => {
    const [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, ADA, body);
    const transferId = crypto.randomUUID();
    const request = { transferId, player: ADA, epoch: 1, to: MALLORY, world: "w" };
    const answer = await home.custody.answer(MALLORY, "depart", request, 0);
    assert.ok(!answer.ok && answer.code === "ERR_FED_MALFORMED");
  });

  it("never returns guests: home forgets them once their leases are over", async () => {
    const [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    const body = bodyThatCarries({ gold: 1 });
    const known = { name: "G", jkt: undefined, guest: true };
    assert.ok((await home.custody.login("guest-1", known, body)).ok);
    await walk.cross(home, mallory, "guest-1@home.example", body);
    mallory.custody.stop();
    await home.custody.sweep();
    assert.ok((await home.custody.ledger.row("guest-1")) !== undefined, "the lease goes on");
    await servers.clock.advanceAsync(32_000);
    await home.custody.sweep();
    await eventually(async () => {
      assert.equal(await home.custody.ledger.row("guest-1"), undefined);
    });
  });

  it("is blocked, or only pending, and calls all the same: no nonce is kept", async () => {
    for (const cut of ["blocked", "pending"] as const) {
      const { clock, a, b } = twoServers();
      await b.handshake.connect(A);
      if (cut === "blocked") await a.registry.block(B);
      else await a.registry.setTrust(B, TrustState.Pending);
      const written: string[] = [];
      const store = {
        compareAndSet: (key: string) => {
          written.push(key);
          return Promise.resolve(true);
        },
      };
      const parts = {
        ...{ origin: A, registry: a.registry, clock, handshake: a.handshake },
        nonces: new Nonces({ store, clock }),
      };
      const bytes = new TextEncoder().encode("{}");
      const message = { method: "POST", targetUri: `${A}/federation/custody/renew`, body: bytes };
      const signed = await signRequest(
        { ...message, recipient: A },
        { origin: B, key: b.ring.current },
        { clock, random: seededRandom(1) },
      );
      const request = { ...message, headers: signed.headers };
      const head = await headOf(parts, request, { hasBody: true });
      assert.ok(!("refused" in head), JSON.stringify(head));
      const caller = await peerOf(parts, request, head);
      assert.ok("refused" in caller && caller.verified, JSON.stringify(caller));
      assert.deepEqual(written, []);
    }
  });
});

describe("strangers and the audit log", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "audit-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const entry = { at: "2026-01-01T00:00:00Z", by: "server", what: "added", subject: A } as const;

  it("has no line of strangers that come pending and give way", async () => {
    const listeners: ((event: never) => void)[] = [];
    const log = new AuditLog(join(folder, "audit.jsonl"));
    const registry = { on: (listener: (event: never) => void) => listeners.push(listener) };
    auditPeers({
      registry: registry as never,
      ...{ log, clock: twoServers().clock, logger: quietLogger() },
    });
    const tell = (type: string, origin: string, trust?: string): void => {
      const server = trust === undefined ? undefined : { origin, trust, keys: [] };
      for (const listener of listeners) listener({ type, origin, server } as never);
    };
    for (const stranger of ["https://s1.example", "https://s2.example"]) {
      tell("added", stranger, "pending");
      tell("keys-changed", stranger, "pending");
      tell("removed", stranger);
    }
    tell("added", B, "pending");
    tell("trust-changed", B, "trusted");
    tell("removed", B);
    await log.append({ ...entry, what: "last" });
    const lines = (await readFile(join(folder, "audit.jsonl"), "utf8")).trim().split("\n");
    const told = lines.map((line) => JSON.parse(line) as { what: string; subject: string });
    assert.deepEqual(
      told.map(({ what, subject }) => `${what} ${subject}`),
      [`trust-changed ${B}`, `removed ${B}`, `last ${A}`],
    );
  });

  it("is rotated before it fills the disk", async () => {
    const log = new AuditLog(join(folder, "audit.jsonl"), { maxBytes: 1_000 });
    for (let each = 0; each < 60; each += 1) await log.append(entry);
    const files = (await readdir(folder)).filter((file) => !file.endsWith(".lock"));
    assert.ok(files.length > 1 && files.length <= 3, files.join());
    for (const file of files) assert.ok((await stat(join(folder, file))).size <= 1_200, file);
  });
});
