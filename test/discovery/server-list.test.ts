import assert from "node:assert/strict";
import {
  MAX_LIST_LENGTH,
  MAX_SERVERS_IN_LIST,
  type ServerList,
  issuerOfServerList,
  signServerList,
  verifyServerList,
} from "../../src/discovery/server-list.ts";
import { signJws } from "../../src/identity/jws.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";

const HUB = "https://hub.example";
const NOW = 1_767_225_600_000;
const IAT = NOW / 1000;

describe("discovery/server-list", () => {
  const { current: key } = ringOf(HUB);
  const list = (changes: Partial<ServerList> = {}): ServerList => ({
    ...{ iss: HUB, iat: IAT, exp: IAT + 3600 },
    servers: [{ origin: "https://a.example", name: "A", worlds: [{ name: "plaza", capacity: 8 }] }],
    ...changes,
  });
  const verify = async (token: unknown, now = NOW) => {
    const { descriptor } = await verifiedDescriptorOf(HUB, ringOf(HUB), NOW);
    return verifyServerList(token, { issuer: descriptor, now });
  };
  async function refused(token: unknown, now = NOW): Promise<string> {
    const said = await verify(token, now);
    return said.verified ? "verified" : said.code;
  }

  it("is read as it was signed", async () => {
    const token = await signServerList(list(), key);
    assert.equal(issuerOfServerList(token), HUB);
    const said = await verify(token);
    assert.ok(said.verified);
    assert.deepEqual(JSON.parse(JSON.stringify(said.list)), list());
  });

  it("has as many servers and bytes as a list may, and no more", async () => {
    const worlds = Array.from({ length: 32 }, (_, at) => ({
      ...{ name: `w${at}`, picture: `https://x.example/${"p".repeat(300)}` },
    }));
    const server = (at: number) => ({ origin: `https://s${at}.example`, name: "S", worlds });
    for (const [count, small] of [
      [500, true],
      [128, false],
    ] as const) {
      const servers = Array.from({ length: count }, (_, at) => ({
        ...server(at),
        ...(small ? { worlds: [] } : {}),
      }));
      const token = await signServerList(list({ servers }), key);
      assert.ok(token.length <= MAX_LIST_LENGTH, `${token.length}`);
      const said = await verify(token);
      assert.ok(said.verified);
      const { length } = said.list.servers;
      if (small) assert.equal(length, MAX_SERVERS_IN_LIST);
      else assert.ok(length > 10 && length < 128, `${length}`);
    }
  });

  it("leaves out entries that are not of their form", async () => {
    const servers = [{ origin: "ftp://a.example", name: "A", worlds: [] }, ...list().servers];
    const said = await verify(await signServerList(list({ servers }), key));
    assert.ok(said.verified);
    assert.equal(said.list.servers.length, 1);
  });

  it("does not verify under a key that its issuer does not publish", async () => {
    const token = await signServerList(list(), ringOf("mallory").current);
    assert.equal(await refused(token), "ERR_FED_UNKNOWN_KEY");
  });

  it("does not verify where a byte is another", async () => {
    const token = await signServerList(list(), key);
    const [head, payload = "", signature] = token.split(".");
    const other = Buffer.from(payload, "base64url").toString().replace("a.example", "b.example");
    const forged = [head, Buffer.from(other).toString("base64url"), signature].join(".");
    assert.equal(await refused(forged), "ERR_FED_SIGNATURE_INVALID");
  });

  it("does not verify as another server's", async () => {
    const token = await signServerList(list({ iss: "https://b.example" }), key);
    assert.equal(await refused(token), "ERR_FED_SIGNATURE_INVALID");
  });

  it("is no list under the type of another statement", async () => {
    const token = await signJws(list(), "aether-descriptor+jwt", key);
    assert.equal(await refused(token), "ERR_FED_SIGNATURE_INVALID");
  });

  it("counts until it is out of date", async () => {
    const token = await signServerList(list(), key);
    assert.equal(await refused(token, NOW + 3_599_000), "verified");
    assert.equal(await refused(token, NOW + 3_600_000), "ERR_FED_SIGNATURE_EXPIRED");
  });

  it("does not count before its time", async () => {
    const token = await signServerList(list({ iat: IAT + 31, exp: IAT + 60 }), key);
    assert.equal(await refused(token), "ERR_FED_CLOCK_SKEW");
  });

  it("does not count for longer than a week", async () => {
    const token = await signServerList(list({ exp: IAT + 7 * 24 * 3600 + 1 }), key);
    assert.equal(await refused(token), "ERR_FED_SIGNATURE_INVALID");
  });

  for (const token of [undefined, "", "a.b.c", {}, "x".repeat(MAX_LIST_LENGTH + 1)]) {
    it(`is not ${JSON.stringify(token)?.slice(0, 20)}`, async () => {
      assert.equal(await refused(token), "ERR_FED_SIGNATURE_INVALID");
    });
  }
});
