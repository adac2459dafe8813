import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { type Deployment, withDeployment } from "../../src/cli/deployment.ts";
import { diagnose } from "../../src/cli/doctor.ts";
import type { Finding } from "../../src/doctor/findings.ts";
import { createFederation } from "../../src/index.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { type TestPlace, freePort, testPlace } from "../../src/testing/test-place.ts";
import { quietServer } from "../fixtures/quiet-server.ts";
import { type BootedServer, boot } from "../support/boot.ts";
import { Authority } from "../support/certificates.ts";
import { commandLine } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { quietLogger } from "../support/loggers.ts";
import { hangUp, listen, nobodyThere } from "../support/loopback.ts";
import { operatorKey } from "../support/operator.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { type Tampering, TamperingProxy } from "../support/tampering-proxy.ts";

interface Report {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

const INSECURE = { allowInsecure: true } as const;
const WELL_KNOWN = "/.well-known/aether-federation";

/** What is wrong, by check. */
async function wrong(
  origin: string,
  deployment?: Deployment,
): Promise<{ readonly found: ReadonlyMap<string, Finding>; readonly text: string }> {
  const { json, exitCode, text } = await diagnose(origin, INSECURE, deployment);
  const { findings, healthy } = json as Report;
  assert.equal(exitCode, healthy ? 0 : 1);
  assert.equal(healthy, text.endsWith(`${origin} is well.`));
  return {
    found: new Map(findings.filter(({ ok }) => !ok).map((each) => [each.check, each])),
    text,
  };
}

/** That this, and nothing else, is wrong, in these words. */
async function finds(
  origin: string,
  check: string,
  words: RegExp,
  deployment?: Deployment,
): Promise<Finding> {
  const { found, text } = await wrong(origin, deployment);
  assert.deepEqual([...found.keys()], [check], text);
  const finding = found.get(check);
  assert.ok(finding !== undefined);
  assert.match(finding.detail, words);
  return finding;
}

describe("cli/doctor, what answers at an origin", function () {
  this.timeout(20_000);
  const folder = folderOfSuite();
  let authority: Authority;
  let openssl: string;
  const trusted = getCACertificates("default");

  before(function () {
    openssl = requireProgram(this, "openssl");
    authority = new Authority(openssl, folder.path);
    setDefaultCACertificates([...trusted, authority.certificate]);
  });
  after(() => {
    setDefaultCACertificates(trusted);
  });

  it("a name that nobody has", async () => {
    await finds("https://nobody.invalid", "reach", /the name does not resolve: check its DNS/u);
  });

  it("a port at which nobody listens", async () => {
    const { origin } = await nobodyThere();
    await finds(origin, "reach", /nothing listens there: is the server running/u);
  });

  for (const [what, certified, words] of [
    ["expired", () => authority.certify("localhost", -3, -2), /has expired: renew it/u],
    ["not valid yet", () => authority.certify("localhost", 2, 3), /is not valid yet/u],
    ["for another name", () => authority.certify("other.example"), /is for another name/u],
    [
      "of an authority that nobody trusts",
      () => {
        const place = join(folder.path, "another");
        mkdirSync(place);
        return new Authority(openssl, place).certify("localhost");
      },
      /is of nobody that this machine trusts.*NODE_EXTRA_CA_CERTS/u,
    ],
  ] as const) {
    it(`a certificate that is ${what}`, async () => {
      const server = createTlsServer({ ...certified() });
      const { port } = await listen(server);
      await finds(`https://localhost:${port}`, "TLS", words);
      await hangUp(server);
    });
  }

  it("plain HTTP on a port behind https:", async () => {
    const server = createPlainServer((_request, response) => response.end("hello"));
    const { port } = await listen(server);
    await finds(`https://localhost:${port}`, "TLS", /speaks no TLS \(plain HTTP behind https:\)/u);
    await hangUp(server);
  });

  it("TLS on a port behind http:", async () => {
    const server = createTlsServer(authority.certify("localhost"), (_request, response) =>
      response.end("hello"),
    );
    const { port } = await listen(server);
    await finds(`http://localhost:${port}`, "TLS", /TLS is spoken on that port.*name it as https/u);
    await hangUp(server);
  });

  it("a proxy without a server behind it", async () => {
    await serving(
      (respond) => {
        respond(502, "Bad Gateway");
      },
      (origin) =>
        finds(
          origin,
          "descriptor",
          /a proxy answers HTTP 502: the game server behind it does not run/u,
        ),
    );
  });

  it("some other web server", async () => {
    await serving(
      (respond) => {
        respond(404, "<html>nothing here</html>", { server: "nginx" });
      },
      (origin) =>
        finds(origin, "descriptor", /some other web server answers there \(HTTP 404, by nginx\)/u),
    );
  });

  it("some other site, which answers everything", async () => {
    await serving(
      (respond) => {
        respond(200, "<html>welcome</html>");
      },
      (origin) => finds(origin, "descriptor", /is no JSON: another site is served here/u),
    );
  });

  it("a redirect", async () => {
    await serving(
      (respond) => {
        respond(302, "", { location: "https://elsewhere.example" });
      },
      (origin) => finds(origin, "reach", /redirects; redirects are not followed/u),
    );
  });

  it("a clock that is wrong", async () => {
    await serving(
      (respond) => {
        respond(404, "", { date: new Date(Date.now() - 120_000).toUTCString() });
      },
      async (origin) => {
        const { found } = await wrong(origin);
        assert.match(
          found.get("clock")?.detail ?? "",
          /(?:119|120|121) s behind ours: run NTP on both/u,
        );
      },
    );
  });

  for (const [what, changes, words] of [
    ["that has expired", { validUntil: 1_000 }, /ERR_FED_DESCRIPTOR_EXPIRED\): a cache or a file/u],
    ["of another origin", { origin: "http://other.example" }, /its option `origin` says so/u],
    ["that nothing signs", { jws: "x.y.z" }, /ERR_FED_DESCRIPTOR_INVALID/u],
  ] as const) {
    it(`a descriptor ${what}`, async () => {
      await serving(
        async (respond, at) => {
          respond(200, JSON.stringify(await descriptorAt(at, changes)));
        },
        (origin) => finds(origin, "descriptor", words),
      );
    });
  }

  it("no version of the protocol in common", async () => {
    await serving(
      async (respond, at, path) => {
        const protocols = ["aether/9"];
        if (path === WELL_KNOWN)
          respond(200, JSON.stringify(await descriptorAt(at, { protocols })));
        else respond(404, "");
      },
      async (origin) => {
        const { found } = await wrong(origin);
        assert.match(found.get("protocol")?.detail ?? "", /speaks aether\/9.*update the older/u);
      },
    );
  });

  it("an endpoint elsewhere, where nobody answers", async () => {
    const { origin: endpoint } = await nobodyThere();
    await serving(
      async (respond, at) => {
        respond(
          200,
          JSON.stringify(await descriptorAt(at, { endpoint: `${endpoint}/federation` })),
        );
      },
      async (origin) => {
        const { found } = await wrong(origin);
        assert.match(
          found.get("handshake")?.detail ?? "",
          /nobody answers at the endpoint http.*: nothing listens there/u,
        );
      },
    );
  });

  it("a server that answers nothing, in bounded time", async () => {
    const server = createPlainServer(() => undefined);
    const { origin } = await listen(server);
    await finds(origin, "reach", /no answer in time: is the machine up/u);
    await hangUp(server);
  });
});

async function descriptorAt(origin: string, changes: object): Promise<object> {
  return { ...(await descriptorOf(origin, ringOf(origin), Date.now(), changes)), ...changes };
}

/** A proxy that answers below a path by itself. */
function instead(path: string, status: number, body: string): Tampering {
  return {
    instead: ({ url = "" }, response) => {
      if (!url.startsWith(path)) return false;
      response.writeHead(status).end(body);
      return true;
    },
  };
}

type Respond = (status: number, body: string, headers?: Record<string, string>) => void;

async function serving<Result>(
  answer: (respond: Respond, origin: string, path: string) => void | Promise<void>,
  work: (origin: string) => Promise<Result>,
): Promise<void> {
  const server = createPlainServer((request, response) => {
    request.resume();
    void answer(
      (status, body, headers = {}) => response.writeHead(status, headers).end(body),
      origin,
      request.url ?? "",
    );
  });
  const { origin } = await listen(server);
  try {
    await work(origin);
  } finally {
    await hangUp(server);
  }
}

describe("cli/doctor, a link of this server", function () {
  this.timeout(60_000);
  const folder = folderOfSuite();
  const servers = new Servers();
  let place: TestPlace;
  let proxy: TamperingProxy;
  let origin: string;
  let federation: ReturnType<typeof createFederation>;
  let colyseus: BootedServer;
  let here: ServerProcess;

  before(async () => {
    place = await testPlace();
    proxy = new TamperingProxy(place.port);
    origin = await proxy.start();
    const port = await freePort();
    federation = createFederation({
      ...{ ...place.options, origin, name: "There", worlds: {} },
      ...{ peers: [`http://localhost:${port}`], logger: quietLogger() },
    });
    colyseus = await boot(federation.attach(quietServer({})), place.port);
    here = await servers.launch({ name: "here", script: WORLD, port, flags: ["--peer", origin] });
    await here.ready();
    await here.knows(origin);
    // From here on, its link is looked at beside its data.
    await here.kill("SIGINT");
  });
  afterEach(() => {
    proxy.tampering = {};
  });
  after(async () => {
    await servers.stop();
    await colyseus.shutdown();
    await proxy.stop();
    await place.remove();
  });

  const beside = <Result>(work: (deployment: Deployment) => Promise<Result>): Promise<Result> =>
    withDeployment({ data: here.spec.data, store: undefined }, work);
  const linkIs = (check: string, words: RegExp): Promise<Finding> =>
    beside((deployment) => finds(origin, check, words, deployment));

  it("is well, from end to end, and says what both sides think of each other", async () => {
    const { text, exitCode } = await beside((deployment) => diagnose(origin, INSECURE, deployment));
    assert.equal(exitCode, 0, text);
    for (const line of [
      /ok {3}our trust +trusted: both ways/u,
      /ok {3}keys +it has a key that is pinned here/u,
      /ok {3}assets +files are served/u,
      /ok {3}link +upgrades to WebSockets arrive/u,
      /ok {3}rooms +WebSockets to rooms are let through/u,
      /ok {3}signed call +it hears this server/u,
      /ok {3}their trust +trusted: both ways/u,
    ]) {
      assert.match(text, line);
    }
  });

  it("is well for a stranger, too", async () => {
    const { found, text } = await wrong(origin);
    assert.deepEqual([...found.keys()], [], text);
  });

  for (const [what, tampering, check, words] of [
    [
      "hands on another path",
      { head: (to) => (to.path = to.path.replace(/^\/federation/u, "/game/federation")) },
      "handshake",
      /strips or changes the path \/federation/u,
    ],
    [
      "strips the prefix",
      { head: (to) => (to.path = to.path.replace(/^\/federation/u, "")) },
      "handshake",
      /strips or changes the path \/federation/u,
    ],
    [
      "keeps the descriptor back",
      {
        instead: ({ url }, response) => {
          if (url !== WELL_KNOWN) return false;
          response.writeHead(404).end();
          return true;
        },
      },
      "descriptor",
      /though the plugin runs there: a proxy keeps that path back/u,
    ],
    [
      "adds to the query",
      { head: (to) => (to.path = `${to.path}?from=proxy`) },
      "signed call",
      /what it covers does not: a proxy rewrites the path/u,
    ],
    [
      "takes the signature out",
      { head: ({ headers }) => delete headers["signature"] },
      "signed call",
      /takes the headers signature and signature-input out of requests/u,
    ],
    [
      "takes what the signature says out",
      { head: ({ headers }) => delete headers["signature-input"] },
      "signed call",
      /takes the headers signature and signature-input out of requests/u,
    ],
    [
      "takes the recipient out",
      { head: ({ headers }) => delete headers["aether-recipient"] },
      "signed call",
      /the header aether-recipient does not arrive/u,
    ],
    [
      "takes the digest out",
      { head: ({ headers }) => delete headers["content-digest"] },
      "signed call",
      /content-digest/u,
    ],
    [
      "takes the signature out of answers",
      { answer: (headers) => delete headers["signature"] },
      "signed call",
      /takes the headers signature and signature-input out of answers/u,
    ],
    [
      "refuses upgrades to links",
      { upgrades: (path) => !path.startsWith("/federation") },
      "link",
      /answered by HTTP 400: a proxy does not hand on Upgrade.*go by HTTP/u,
    ],
    [
      "refuses upgrades to rooms",
      { upgrades: (path) => path.startsWith("/federation") },
      "rooms",
      /players cannot connect: the upgrade to a WebSocket is answered by HTTP 400/u,
    ],
    [
      "sets an allowed origin of its own",
      { answer: (headers) => (headers["access-control-allow-origin"] = "https://site.example") },
      "assets",
      /arrives as "https:\/\/site\.example"/u,
    ],
    [
      "takes CORS headers out",
      { answer: (headers) => delete headers["access-control-allow-origin"] },
      "assets",
      /takes access-control-allow-origin out/u,
    ],
    [
      "takes what browsers may read out",
      { answer: (headers) => delete headers["access-control-expose-headers"] },
      "assets",
      /takes access-control-expose-headers out/u,
    ],
    [
      "answers for files",
      instead("/federation/assets/", 404, "<html>"),
      "assets",
      /HTTP 404, and not by this protocol, where an unknown file/u,
    ],
    [
      "answers for health",
      instead("/federation/health", 200, "fine"),
      "health",
      /says of its health: nothing; does a proxy answer for it/u,
    ],
    [
      "leads to one that is failing",
      instead(
        "/federation/health",
        503,
        JSON.stringify({
          status: "fail",
          checks: { store: [{ status: "fail", output: "no answer" }] },
        }),
      ),
      "health",
      /it says fail of itself \(store: no answer\)/u,
    ],
    [
      "leads to one that is not well",
      instead("/federation/health", 200, JSON.stringify({ status: "warn" })),
      "health",
      /it says warn of itself/u,
    ],
  ] as readonly (readonly [string, Tampering, string, RegExp])[]) {
    it(`a proxy that ${what}`, async () => {
      proxy.tampering = tampering;
      await linkIs(check, words);
    });
  }

  it("a proxy that takes the signature out, as a stranger sees it", async () => {
    proxy.tampering = { head: ({ headers }) => delete headers["signature"] };
    await finds(origin, "signed call", /takes the headers signature/u);
  });

  it("a key that is not the pinned one, and calls nobody by it", async () => {
    const document = JSON.stringify(await descriptorAt(origin, {}));
    let called = false;
    proxy.tampering = {
      ...instead(WELL_KNOWN, 200, document),
      head: ({ headers }) => (called ||= headers["signature"] !== undefined),
    };
    const { kid } = ringOf(origin).current;
    const { mend } = await linkIs("keys", /none of its keys is pinned here: it comes with/u);
    assert.equal(mend?.command, `npx aether-federation peers approve ${origin} --key ${kid}`);
    assert.equal(called, false);
  });

  it("a proxy that changes the Host harms nothing", async () => {
    proxy.tampering = { head: ({ headers }) => (headers["host"] = "127.0.0.1:1") };
    const { found } = await beside((deployment) => wrong(origin, deployment));
    assert.deepEqual([...found.keys()], []);
  });

  it("a real nginx, as it is without a word on upgrades", async function () {
    const nginx = requireProgram(this, "nginx");
    const port = await freePort();
    const own = join(folder.path, "nginx");
    mkdirSync(own);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${own}/${name};`)
      .join("\n");
    const passes = `location / { proxy_pass http://127.0.0.1:${place.port}; }`;
    const server = `server { listen ${port}; ${passes} }`;
    writeFileSync(
      join(own, "nginx.conf"),
      `daemon off; pid ${own}/pid; events {}\nhttp {\naccess_log off;\n${temporary}\n${server}\n}\n`,
    );
    const args = ["-e", "stderr", "-p", own, "-c", join(own, "nginx.conf")];
    const child = spawn(nginx, args, { stdio: "ignore" });
    try {
      await eventually(() => fetch(`http://127.0.0.1:${port}/`));
      proxy.tampering = { port };
      const { found } = await beside((deployment) => wrong(origin, deployment));
      assert.deepEqual([...found.keys()], ["link", "rooms"]);
    } finally {
      child.kill();
    }
  });

  it("Colyseus without the plugin", async () => {
    const own = await freePort();
    const child = spawn(process.execPath, ["test/fixtures/bare-server.ts", String(own)], {
      stdio: "ignore",
    });
    try {
      await eventually(() => fetch(`http://localhost:${own}/`));
      await finds(
        `http://localhost:${own}`,
        "descriptor",
        /Colyseus answers there, without aether-federation.*init/u,
      );
    } finally {
      child.kill();
    }
  });

  describe("and what both sides think", () => {
    const peer = () => here.origin;

    afterEach(async () => {
      const { registry } = federation.runtime;
      if (registry.blocks().length > 0) await registry.unblock(peer());
      await registry.setTrust(peer(), TrustState.Trusted, {
        roles: { inbound: true, outbound: true },
      });
    });

    it("it lets none of our players in", async () => {
      await federation.peers.approve(peer(), { inbound: false });
      const { mend } = await linkIs("their trust", /lets none of our players in/u);
      assert.equal(mend?.where, "there");
    });

    it("it lets none of its players come here", async () => {
      await federation.peers.approve(peer(), { outbound: false });
      await linkIs("their trust", /lets none of its players come here/u);
    });

    const ours = async (
      change: (deployment: Deployment) => Promise<unknown>,
      check: string,
      words: RegExp,
    ): Promise<Finding> =>
      beside(async (deployment) => {
        try {
          await change(deployment);
          return await finds(origin, check, words, deployment);
        } finally {
          const { registry } = deployment;
          if (registry.blocks().length > 0) await registry.unblock("localhost");
          await deployment.registry.setTrust(origin, TrustState.Trusted, {
            roles: { inbound: true, outbound: true },
          });
        }
      });

    it("this server blocks it, and by what", async () => {
      const { mend } = await ours(
        ({ registry }) => registry.block("localhost"),
        "our trust",
        /blocked here by localhost/u,
      );
      assert.equal(mend?.command, "npx aether-federation peers unblock localhost");
    });

    for (const [trust, words] of [
      [TrustState.Pending, /it waits here for your approval/u],
      [TrustState.Quarantined, /quarantined here/u],
    ] as const) {
      it(`it is ${trust} here`, async () => {
        const { mend } = await ours(
          ({ registry }) => registry.setTrust(origin, trust),
          "our trust",
          words,
        );
        assert.equal(mend?.command, `npx aether-federation peers approve ${origin}`);
      });
    }

    it("one way here is this operator's decision, and well", async () => {
      await beside(async (deployment) => {
        const roles = { inbound: true, outbound: false };
        await deployment.registry.setTrust(origin, TrustState.Trusted, { roles });
        const { text, exitCode } = await diagnose(origin, INSECURE, deployment);
        await deployment.registry.setTrust(origin, TrustState.Trusted, {
          roles: { inbound: true, outbound: true },
        });
        assert.equal(exitCode, 0, text);
        assert.match(
          text,
          /our trust +trusted: one way: its players come in, ours do not go there/u,
        );
      });
    });

    it("it waits there for its operator", async () => {
      await federation.runtime.registry.setTrust(peer(), TrustState.Pending);
      const { mend } = await linkIs("signed call", /it has not approved this server/u);
      const { kid } = await operatorKey(here);
      assert.deepEqual(mend, {
        where: "there",
        command: `npx aether-federation peers approve ${peer()} --key ${kid}`,
      });
    });

    it("it blocks this server", async () => {
      await federation.peers.block(peer());
      const { mend } = await linkIs("signed call", /it blocks this server/u);
      assert.deepEqual(mend, {
        where: "there",
        command: `npx aether-federation peers unblock ${peer()}`,
      });
    });
  });

  describe("while it runs", () => {
    before(async () => {
      here = await servers.restart(here);
      await here.knows(origin);
    });

    it("is asked to look itself, and begins no session where there is one", async () => {
      let begun = 0;
      proxy.tampering = {
        head: ({ path, headers }) => {
          if (path.endsWith("/handshake") && headers["signature"] !== undefined) begun += 1;
        },
      };
      const { code, out } = await commandLine(here, "doctor", origin);
      assert.equal(code, 0, out);
      assert.match(out, /ok {3}session +there is one/u);
      assert.match(out, /ok {3}their trust +trusted: both ways/u);
      assert.doesNotMatch(out, /^(?:ok |FIX) {2}this server/mu, "it looked itself");
      assert.equal(begun, 0);
    });

    it("names a handshake that is refused, and the command for the other machine", async () => {
      await federation.peers.block(here.origin);
      const { code, out } = await commandLine(here, "doctor", origin, "--json");
      await federation.peers.unblock(here.origin);
      assert.equal(code, 1);
      const { findings } = JSON.parse(out) as Report;
      const [finding, ...others] = findings.filter(({ ok }) => !ok);
      assert.deepEqual(others, []);
      assert.match(finding?.detail ?? "", /it blocks this server/u);
      assert.equal(finding?.mend?.command, `npx aether-federation peers unblock ${here.origin}`);
    });

    it("looks at all links at once, the worst last", async () => {
      await federation.peers.approve(here.origin, { keys: [(await operatorKey(here)).kid] });
      const { origin: gone } = await nobodyThere();
      await here.kill("SIGINT");
      here = servers.run({ ...here.spec, flags: [...here.spec.flags, "--peer", gone] });
      await here.ready();
      await here.knows(origin);
      // A server that has just started may still be meeting its peers.
      const out = await eventually(
        async () => {
          const run = await commandLine(here, "doctor", "--all");
          assert.equal(run.code, 1, run.out);
          assert.match(run.out, new RegExp(`^. ${origin} is well$`, "mu"));
          return run.out;
        },
        { timeoutMilliseconds: 20_000 },
      );
      const told = out.slice(out.indexOf(`${gone} needs attention`));
      assert.match(told, /FIX +reach +nothing listens there/u);
      assert.match(told, /1 of 2 links need attention\.\n$/u);
      assert.ok(
        out.split("\n").every((line) => line.length <= 80 || line.includes("> ")),
        out,
      );
    });
  });
});
