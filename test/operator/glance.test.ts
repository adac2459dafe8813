import assert from "node:assert/strict";
import { HealthMonitor } from "../../src/health/health-monitor.ts";
import { type Glance, MAX_LINES, glanceOf } from "../../src/operator/glance.ts";
import { ServerStatus, TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("operator/glance", () => {
  let clock: ManualClock;
  let registry: ServerRegistry;
  let health: HealthMonitor;

  const look = (more: Partial<Parameters<typeof glanceOf>[0]> = {}): Glance =>
    glanceOf({
      ...{ registry, health, named: [], now: clock.now(), visitors: 4, abroad: 2 },
      ...more,
    });
  const meet = async (origin: string): Promise<void> => {
    const { descriptor } = await verifiedDescriptorOf(origin, ringOf(origin), clock.now());
    await registry.register(descriptor, { trust: TrustState.Trusted });
    await health.check(origin);
  };

  beforeEach(() => {
    clock = new ManualClock();
    registry = new ServerRegistry({ store: new MemoryStore(clock), clock, maxPeers: 10_000 });
    health = new HealthMonitor({
      ...{ clock, random: seededRandom("glance") },
      probe: () => Promise.resolve({ status: "pass" }),
    });
  });
  afterEach(() => health.stop());

  it("says that there are no peers", () => {
    assert.deepEqual(look(), { summary: "no peers · 4 visitors · 2 abroad", lines: [] });
  });

  it("counts peers by how they are, and puts the worst first", async () => {
    await meet("https://well.example");
    await meet("https://dead.example");
    registry.setStatus("https://well.example", ServerStatus.Online);
    registry.setStatus("https://dead.example", ServerStatus.Offline);
    const { summary, lines } = look({ named: ["https://never.example"] });
    assert.equal(summary, "1 down · 1 unmet · 1 up · 4 visitors · 2 abroad");
    assert.deepEqual(
      lines.map((line) => line.split(" · ").slice(0, 2)),
      [
        ["down", "dead.example"],
        ["unmet", "never.example"],
        ["up", "well.example"],
      ],
    );
  });

  it("says why a peer does not deal with this server, in the words of all other places", async () => {
    await meet("https://other.example");
    registry.setStatus("https://other.example", ServerStatus.Online);
    await registry.noteRefusal("https://other.example", "ERR_FED_NOT_TRUSTED");
    clock.advance(120_000);
    assert.match(
      look().lines[0] ?? "",
      /^refused · other\.example · for 2 min · pending there: its operator has to approve/u,
    );
  });

  it("stays short however many there are, and says how many it leaves out", () => {
    const named = Array.from({ length: 5_000 }, (_, index) => `https://p${index}.example`);
    const { summary, lines } = look({ named, abroad: undefined });
    assert.equal(summary, "5000 unmet · 4 visitors");
    assert.equal(lines.length, MAX_LINES + 1);
    assert.match(lines.at(-1) ?? "", /^and 4970 more/u);
  });

  it("shows no more of a name than fits a line", () => {
    const named = [`https://${"a".repeat(60)}.${"b".repeat(60)}.example`];
    assert.ok((look({ named }).lines[0] ?? "").length < 80);
  });
});
