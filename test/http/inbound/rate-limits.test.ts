import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { addressOf, customerOf } from "../../../src/http/inbound/rate-limits.ts";

describe("http/rate-limits", () => {
  const from = (remoteAddress: string | undefined, ip?: string): string | undefined =>
    addressOf({
      socket: { remoteAddress },
      ...(ip === undefined ? {} : { ip }),
    } as unknown as IncomingMessage);

  it("tells one caller by its IPv4 address, however it is written", () => {
    assert.equal(from("192.0.2.7"), "192.0.2.7");
    assert.equal(from("::ffff:192.0.2.7"), "192.0.2.7");
  });

  it("tells one caller by its IPv6 network", () => {
    assert.equal(from("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert.equal(from("2001:db8:1:2::ffff"), "2001:db8:1:2::/64");
  });

  it("counts the floods of all lines of one customer together, and of no other", () => {
    const floodsOf = (remoteAddress: string): string | undefined =>
      customerOf({ socket: { remoteAddress } } as unknown as IncomingMessage);
    assert.equal(floodsOf("2001:db8:1:2::1"), "2001:db8:1:0::/56");
    assert.equal(floodsOf("2001:db8:1:ff::1"), "2001:db8:1:0::/56");
    assert.equal(floodsOf("2001:db8:1:100::1"), "2001:db8:1:100::/56");
    assert.equal(floodsOf("::ffff:192.0.2.7"), "192.0.2.7");
  });

  it("tells both of one address, each time it is asked, however many it has been asked of", () => {
    for (let round = 0; round < 2; round += 1) {
      for (let each = 0; each < 5_000; each += 1) {
        const group = each.toString(16);
        const request = {
          socket: { remoteAddress: `2001:db8:1:2${round}:${group}::1` },
        } as unknown as IncomingMessage;
        assert.equal(addressOf(request), `2001:db8:1:2${round}::/64`);
        assert.equal(customerOf(request), "2001:db8:1:0::/56");
        assert.equal(addressOf(request), `2001:db8:1:2${round}::/64`);
      }
    }
  });

  it("takes Express' word, which knows of proxies", () => {
    assert.equal(from("127.0.0.1", "192.0.2.8"), "192.0.2.8");
  });

  it("says nothing of what is no address", () => {
    assert.equal(from(undefined), undefined);
    assert.equal(from("unix:socket"), undefined);
  });
});
