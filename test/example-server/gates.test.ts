import assert from "node:assert/strict";
import type { Federation, PeerSummary } from "aether-federation";
import { Gates } from "../../example-server/federation/gates.ts";
import { portalPlace } from "../../example-server/layout.ts";
import type { PortalState } from "../../example-server/state.ts";

const SIXTY = Array.from({ length: 60 }, (_, index) => `http://localhost:${3000 + index}`);

describe("the gates of a world", () => {
  let peers: PeerSummary[];
  let portals: Map<string, PortalState>;
  let gates: Gates;

  beforeEach(() => {
    portals = new Map();
    const federation = { peers: { list: () => peers } } as unknown as Federation;
    gates = new Gates(federation, portals);
  });

  it("stand apart, one for each of 60 servers", () => {
    look(SIXTY);
    assert.equal(gates.count, 60);
    assert.equal(new Set([...portals.values()].map(({ x, y }) => `${x} ${y}`)).size, 60);
  });

  it("keep their places when servers come and go, and newcomers get the free ones", () => {
    const [first = "", second = "", third = "", fourth = ""] = SIXTY;
    look([second, third]);
    look([first, second, third]);
    assert.deepEqual([second, third, first].map(placeOf), [0, 1, 2].map(portalPlace));
    look([first, third]);
    assert.deepEqual([third, first].map(placeOf), [1, 2].map(portalPlace));
    assert.deepEqual([portals.size, gates.count], [2, 3]);
    look([first, third, fourth]);
    assert.deepEqual(placeOf(fourth), portalPlace(0));
  });

  it("say where they lead, how it is there, and to which game, where that is known", () => {
    const [one = "", other = "", third = ""] = SIXTY;
    peers = [
      peer(one, { worlds: ["pit"] }),
      peer(other, { trust: "pending" }),
      peer(third, { worlds: ["sea"], status: "offline" }),
    ];
    const uri = "aether://localhost:3000/pit";
    gates.update([{ uri, kind: "racing" } as never]);
    const said = [...portals.values()].map(({ label, host, target, status, kind }) => {
      return { label, host, target, status, kind };
    });
    const three = { label: "sea", host: "localhost:3002", target: "aether://localhost:3002/sea" };
    assert.deepEqual(said, [
      { label: "pit", host: "localhost:3000", target: uri, status: "up", kind: "racing" },
      { label: "a server", host: "localhost:3001", target: "", status: "not approved", kind: "" },
      { ...three, status: "down", kind: "" },
    ]);
  });

  function look(origins: readonly string[]): void {
    peers = origins.map((origin) => peer(origin));
    gates.update([]);
  }

  function placeOf(origin: string): { x: number; y: number } {
    const { x = 0, y = 0 } = portals.get(origin) ?? {};
    return { x, y };
  }

  function peer(origin: string, more: object = {}): PeerSummary {
    const usual = { name: "a server", worlds: [], trust: "trusted", status: "online" };
    return { origin, ...usual, ...more } as unknown as PeerSummary;
  }
});
