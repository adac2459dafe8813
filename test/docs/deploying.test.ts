import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { RedisServer } from "../support/redis.ts";
import { requireProgram } from "../support/requirements.ts";
import { type Page, ROOT, pages } from "./pages.ts";
import { type Deployed, caddyfileOf, certify, linksThrough, nginxConfigOf } from "./proxies.ts";
import { NODE, Started, TSX, install, writeFiles } from "./reader.ts";

/** The configurations of docs/deploying.md, run: TLS by an authority of our own, WebSockets, federation. */
describe("docs: servers behind nginx and Caddy", function () {
  this.timeout(120_000);
  const folder = folderOfSuite();
  const started: Started[] = [];
  const stores: RedisServer[] = [];
  const text = readFileSync(`${ROOT}docs/deploying.md`, "utf8");
  let nginx: string;
  let caddy: string;
  let redis: string;
  let certificates: string;

  before(function () {
    nginx = requireProgram(this, "nginx");
    caddy = requireProgram(this, "caddy");
    redis = requireProgram(this, "redis-server");
    certificates = certify(requireProgram(this, "openssl"), folder.path);
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((one) => one.stop()));
    await Promise.all(stores.splice(0).map((store) => store.stop()));
  });

  for (const [what, processes] of [
    ["one process each", 1],
    ["two processes each, on Redis", 2],
  ] as const) {
    it(`let a player through a portal and back: ${what}`, async () => {
      const place = join(folder.path, `project-${processes}`);
      mkdirSync(place);
      const [home, away] = await Promise.all([deployed(processes), deployed(processes)]);
      install(place);
      writeFiles(page("quick-start"), place, (code) =>
        code
          // Both are on this machine, which a server at an https: origin does not call.
          .replace('allowInsecure: origin.startsWith("http:")', "allowInsecure: true")
          .replaceAll("http://localhost:2567", home.origin)
          .replaceAll("localhost:2568", new URL(away.origin).host)
          // And back, once it is there.
          .replace(
            'room.send("purse");',
            `room.send("purse");
             if (origin === "${away.origin}") {
               setTimeout(() => room.send("federation:enter", { to: "aether://${new URL(home.origin).host}/plaza" }), 500);
             }`,
          ),
      );
      if (processes > 1) writeFiles(page("deploying"), place);
      start(place, [nginx, ...nginxConfigOf(text, home, { certificates, folder: place })]);
      start(place, [caddy, ...caddyfileOf(text, away, { certificates, folder: place })], {
        ...{ XDG_DATA_HOME: place, XDG_CONFIG_HOME: place, HOME: place },
      });
      await Promise.all([serve(place, home, away), serve(place, away, home)]);

      await eventually(
        async () => {
          const traveler = start(place, [...NODE, "walk.mjs"]);
          try {
            await eventually(() => assert.match(traveler.output, /(?:has[^]*){3}|ERR_FED/u));
          } finally {
            await traveler.stop("SIGKILL");
          }
          assert.deepEqual(traveler.output.trim().split("\n"), [
            ...[`Ada is at ${home.origin}`, "and has { coins: 3 }"],
            ...[`Ada is at ${away.origin}`, "and has { coins: 2 }"],
            ...[`Ada is at ${home.origin}`, "and has { coins: 2 }"],
          ]);
        },
        { timeoutMilliseconds: 40_000 },
      );
      // A proxy writes a connection down when it ends: the servers go first.
      const [proxies, servers] = [started.splice(0, 2), started.splice(0)];
      await Promise.all(servers.map((one) => one.stop()));
      await Promise.all(proxies.map((one) => one.stop()));
      assert.notDeepEqual(linksThrough(place), [], "the servers called each other over a link");
    });
  }

  it("are the same server again by a key from a secret, on the same Redis", async () => {
    const place = join(folder.path, "project-secret");
    mkdirSync(place);
    install(place);
    writeFiles(page("quick-start"), place);
    writeFiles(page("deploying"), place);
    const store = await RedisServer.start(redis);
    stores.push(store);
    const port = String(await freePort());
    const origin = `http://localhost:${port}`;
    const kid = async (data: string, command: readonly [string, ...string[]]): Promise<string> => {
      const env = { PORT: port, DATA: join(place, data), REDIS_URI: store.url };
      const one = start(place, command, env);
      const token = await eventually(
        async () => {
          const answer = await fetch(`${origin}/.well-known/aether-federation`);
          assert.equal(answer.status, 200, one.output);
          return ((await answer.json()) as { jws: string }).jws;
        },
        { timeoutMilliseconds: 20_000, what: "the server answers" },
      );
      await one.stop();
      return (decodeProtectedHeader(token) as { kid: string }).kid;
    };

    const first = await kid("first", [...TSX, "src/index.ts"]);
    const [script = ""] = /^#!\/bin\/sh\n.*?(?=^```$)/msu.exec(text) ?? [];
    const edited = script
      .replaceAll("/run/secrets/federation-keys", join(place, "first/keys.json"))
      .replace("exec node build/index.js", `exec ${TSX.join(" ")} src/index.ts`);
    assert.ok(edited.includes("first/keys.json") && edited.includes("src/index.ts"));
    assert.equal(await kid("second", ["/bin/sh", "-c", edited]), first);
  });

  async function deployed(processes: number): Promise<Deployed> {
    const free = Array.from({ length: processes + 1 }, async () => String(await freePort()));
    const [door, ...ports] = await Promise.all(free);
    return { origin: `https://localhost:${door}`, ports };
  }

  function start(
    place: string,
    command: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv = {},
  ): Started {
    const authority = { NODE_EXTRA_CA_CERTS: join(certificates, "ca.pem") };
    const one = new Started(place, command, { ...authority, ...env });
    started.push(one);
    return one;
  }

  /** Starts the processes of one server, as the page says to. */
  async function serve(place: string, server: Deployed, peer: Deployed): Promise<void> {
    const store = server.ports.length > 1 ? await RedisServer.start(redis) : undefined;
    if (store !== undefined) stores.push(store);
    for (const port of server.ports) {
      const one = start(place, [...TSX, "src/index.ts"], {
        ...{ PORT: port, ORIGIN: server.origin, PEERS: peer.origin },
        ...{ DATA: `.federation-${server.ports[0]}`, REDIS_URI: store?.url },
      });
      await eventually(() => assert.match(one.output, /Listening on/u, one.output), {
        timeoutMilliseconds: 30_000,
      });
    }
  }

  function page(name: string): Page {
    return pages().find((one) => one.name === `docs/${name}.md`)!;
  }
});
