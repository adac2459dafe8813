import assert from "node:assert/strict";
import { whoGivesWay } from "../../src/registry/places.ts";
import { type FederatedServer, TrustState } from "../../src/registry/federated-server.ts";

describe("registry/places", () => {
  const NOW = 1_000;
  const server = (name: string, via: string, changes: object = {}): FederatedServer =>
    ({
      ...{ origin: `https://${name}.example`, trust: TrustState.Pending, byPolicy: true, via },
      ...{ firstSeenAt: 0, session: undefined, ...changes },
    }) as unknown as FederatedServer;
  const giving = (servers: FederatedServer[], via: string | undefined, named: string[] = []) => {
    const names = new Set(named.map((name) => `https://${name}.example`));
    const found = whoGivesWay(servers, names, { via, now: NOW });
    return found === undefined ? undefined : new URL(found.origin).hostname.split(".")[0];
  };

  it("is one from the address that has most", () => {
    const servers = [server("a", "1"), server("b", "2"), server("c", "2")];
    assert.equal(giving(servers, "3"), "b");
  });

  it("is one from the newcomer's own address, where others have no more", () => {
    assert.equal(giving([server("a", "1"), server("b", "2")], "2"), "b");
    assert.equal(giving([server("a", "1"), server("b", "2"), server("c", "2")], "1"), "a");
    const servers = [server("a", "1"), ...["b", "c", "d"].map((name) => server(name, "2"))];
    assert.equal(giving(servers, "1"), "b");
  });

  it("counts those whose address nobody knows as one address", () => {
    const unknown = ["b", "c"].map((name) => server(name, "", { via: undefined }));
    assert.equal(giving([server("a", "1"), ...unknown], "2"), "b");
  });

  it("waits, has no session, and is the oldest", () => {
    const session = { sessionId: "s", protocol: "aether/1", expiresAt: NOW + 1 };
    const trusted = server("t", "1", { trust: TrustState.Trusted });
    const live = server("l", "1", { session });
    const young = server("y", "1", { firstSeenAt: 5 });
    const lapsed = server("o", "1", { firstSeenAt: 4, session: { ...session, expiresAt: NOW } });
    assert.equal(giving([trusted, live, young, lapsed], "1"), "o");
    assert.equal(giving([trusted, live, young], "1"), "y");
    assert.equal(giving([trusted, live], "1"), "l");
    assert.equal(giving([trusted], "1"), "t");
  });

  it("is nobody that the operator has named, blocked or decided about", () => {
    const blocked = server("b", "1", { trust: TrustState.Blocked });
    const approved = server("t", "1", { trust: TrustState.Trusted, byPolicy: undefined });
    const quarantined = server("q", "1", { trust: TrustState.Quarantined, byPolicy: undefined });
    assert.equal(giving([blocked, approved, quarantined, server("n", "1")], "1", ["n"]), undefined);
  });
});
