import assert from "node:assert/strict";
import type { ImportPreview } from "../../src/custody/home/import-policy.ts";
import { policy } from "../../src/custody/home/import-rules.ts";
import { CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { Walk } from "../support/walk.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";

describe("custody/preview of what home would keep", () => {
  let servers: CustodyServers;
  beforeEach(() => {
    servers = new CustodyServers();
    servers.accept = policy({ coins: "may-spend" });
  });

  /** A player who left home with 3 coins, and has 9 abroad. */
  async function preview(): Promise<ImportPreview | undefined> {
    const [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    const walk = new Walk();
    const body = bodyThatCarries({ coins: 3 });
    await walk.login(home, "ada", body);
    const there = await walk.cross(home, arena, "ada@home.example", body);
    there.carried = { coins: 9 };
    const session = arena.custody.sessions.get("ada@home.example");
    assert.ok(session !== undefined);
    const told = await arena.custody.preview(session);
    home.custody.stop();
    arena.custody.stop();
    return told;
  }

  it("says what would be lost, and by which rule", async () => {
    const kept = { coins: 3 };
    assert.deepEqual(await preview(), { kept, losses: ["/coins"], why: { "/coins": "may-spend" } });
  });

  it("says what would be lost at a home that knows no reasons", async () => {
    servers.refuses = (path, body) =>
      path === "/custody/preview" && "why" in (body as object) ? "ERR_FED_MALFORMED" : undefined;
    assert.deepEqual(await preview(), { kept: { coins: 3 }, losses: ["/coins"] });
  });

  it("gives no reasons to who has not asked for them", async () => {
    let answered: unknown;
    servers.refuses = (path, body) => {
      if (path === "/custody/preview") delete (body as { why?: true }).why;
      return undefined;
    };
    servers.tamper = (path, body) => {
      if (path === "/custody/preview") answered = body;
      return body;
    };
    await preview();
    assert.deepEqual(answered, { state: { coins: 3 } });
  });

  for (const [what, why] of [
    ["a text of its own", { "/coins": "Send me <b>gold</b>" }],
    ["more than 32", Object.fromEntries([...Array(33).keys()].map((n) => [`/${n}`, "home-only"]))],
    ["a pointer without end", { [`/${"x".repeat(300)}`]: "home-only" }],
  ] as const) {
    it(`takes no reasons from a home that has ${what}`, async () => {
      servers.tamper = (path, body) =>
        path === "/custody/preview" ? { ...(body as object), why } : body;
      assert.equal(await preview(), undefined);
    });
  }
});
