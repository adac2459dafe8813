import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GAUGES, OPERATIONS } from "../../src/telemetry/names.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "../support/eventually.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { type Player, playerIn } from "../support/player.ts";
import { type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { portal } from "../support/sdk.ts";
import { ROOT, pages } from "./pages.ts";

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(join(ROOT, "docs/grafana-dashboard.json"), "utf8")) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
};
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

describe("docs: the dashboard", () => {
  it("asks for nothing but what there is, and for all of it", () => {
    const asked = new Set(
      queries.flatMap(({ expr }) => [...expr.matchAll(/aether_[a-z_]+/gu)].map(([name]) => name)),
    );
    const under = (name: string): string => name.replaceAll(".", "_");
    const counters = Object.values(OPERATIONS).flatMap((operation) =>
      "counter" in operation ? [`${under(operation.counter.name)}_total`] : [],
    );
    const metrics = [...counters, ...Object.keys(GAUGES).map(under)];
    for (const name of metrics) assert.ok(asked.has(name), `${name} is shown nowhere`);
    const durations = Object.values(OPERATIONS).flatMap((operation) =>
      "duration" in operation ? [under(operation.duration)] : [],
    );
    const attributes = /^aether_(server|outcome|code|call|handshake_role|peer_state)$/u;
    for (const name of asked) {
      const known = [...metrics, ...durations].includes(name) || attributes.test(name);
      assert.ok(known, `${name} is none`);
    }
  });
});

describe("docs: the dashboard, and a real Prometheus", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let prometheus: ChildProcess | undefined;
  let folder: string | undefined;
  let api: string;
  let started: ServerProcess[];

  before(async function () {
    const program = requireProgram(this, "prometheus");
    // Within the package, so that what the recipe imports is found.
    await mkdir(join(ROOT, ".tmp"), { recursive: true });
    folder = await mkdtemp(join(ROOT, ".tmp/dashboard-"));
    const recipe = pages()
      .find(({ name }) => name === "docs/telemetry.md")
      ?.blocks.find(({ file }) => file === "telemetry.mjs");
    assert.ok(recipe !== undefined);
    const script = join(folder, "telemetry.mjs");
    await writeFile(script, recipe.code);
    const ports = [await freePort(), await freePort()] as const;
    const kinds = ["plaza", "arena"].map((name, index) => ({
      ...{ name, script: WORLD },
      env: { NODE_OPTIONS: `--import=${script}`, METRICS_PORT: String(ports[index]) },
    }));
    started = await servers.start(kinds);
    const targets = ports.map((port) => `127.0.0.1:${port}`);
    const config = {
      global: { scrape_interval: "1s", scrape_timeout: "1s" },
      scrape_configs: [{ job_name: "aether-federation", static_configs: [{ targets }] }],
    };
    // JSON is YAML.
    await writeFile(join(folder, "prometheus.yml"), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    api = `http://${address}/api/v1`;
    prometheus = spawn(
      program,
      [
        ...[`--config.file=${join(folder, "prometheus.yml")}`, `--web.listen-address=${address}`],
        `--storage.tsdb.path=${join(folder, "data")}`,
      ],
      { stdio: "ignore" },
    );
    await eventually(() => query("up"), {
      ...{ timeoutMilliseconds: 20_000, what: "Prometheus has scraped" },
    });
  });
  after(async () => {
    await servers.stop();
    if (prometheus !== undefined && prometheus.exitCode === null) {
      const ended = new Promise((resolve) => prometheus?.once("exit", resolve));
      prometheus.kill("SIGKILL");
      await ended;
    }
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** Its series, each with a number; throws while there are none. */
  async function query(expr: string): Promise<number[]> {
    const { data } = await fetchJson<{
      readonly data: { readonly result: readonly { readonly value: [number, string] }[] };
    }>(`${api}/query?query=${encodeURIComponent(expr)}`);
    const numbers = data.result.map(({ value: [, text] }) => Number(text));
    if (!numbers.some((each) => !Number.isNaN(each))) throw new Error(`no data: ${expr}`);
    return numbers;
  }

  it("answers every query, over the page's own recipe", async () => {
    const [plaza, arena] = started as [ServerProcess, ServerProcess];
    /** There and back, once refused, and home by leaving. */
    const walk = async (player: Player): Promise<void> => {
      await player.cross(portal(arena, "arena"));
      await player.cross(portal(plaza, "plaza"));
      await assert.rejects(player.cross(portal(arena, "nowhere")), /ERR_FED_WORLD_UNKNOWN/u);
      await assert.rejects(player.cross("aether://nowhere.example/x"), /ERR_FED_NO_ROUTE/u);
      await player.cross(portal(arena, "arena"));
      await player.leave();
    };
    const filled = queries.map(({ title, expr }) => ({
      title,
      expr: expr.replaceAll("$server", ".*").replaceAll("$__rate_interval", "1m"),
    }));
    let turn = 0;
    await eventually(
      async () => {
        // A counter has a rate once it was seen before and after it grew.
        await walk(await playerIn(plaza, `Ada ${(turn += 1)}`));
        for (const { title, expr } of filled) {
          await query(expr).catch((cause: unknown) => {
            throw new Error(`${title}: ${(cause as Error).message}`);
          });
        }
      },
      { timeoutMilliseconds: 60_000, what: "every query has data" },
    );
    const arrived = await query('sum(aether_crossings_total{aether_outcome="arrived"})');
    assert.ok(arrived[0]! >= 2, String(arrived));
    const lost = await query('sum(aether_crossings_total{aether_code="ERR_FED_NO_ROUTE"})');
    assert.ok(lost[0]! >= 2, String(lost));
  });

  it("has its servers to choose from", async () => {
    const definition = dashboard.templating.list.find(
      (variable) => variable.definition !== undefined,
    )?.definition;
    assert.equal(definition, "label_values(aether_peers, aether_server)");
    const { data } = await fetchJson<{ readonly data: readonly string[] }>(
      `${api}/label/aether_server/values?match[]=aether_peers`,
    );
    assert.deepEqual([...data].sort(), started.map(({ origin }) => origin).sort());
  });
});
