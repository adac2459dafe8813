/** What real processes do to one store: die in the middle, fill the disk, receive the same at once. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ContentStore } from "../../../src/assets/store/content-store.ts";
import { systemClock } from "../../../src/ports.ts";
import { AssetProcess } from "../../support/asset-process.ts";
import { leaveOut } from "../../support/left-out.ts";
import { assetBytes, expectedOf, filesOf, hexOf, sriOf } from "../../support/assets.ts";
import { folderOfTest } from "../../support/folders.ts";
import { quietLogger } from "../../support/loggers.ts";
import { read as readAsset } from "../../support/stores.ts";

const KIBIBYTE = 1024;

describe("assets/content-store, processes", function () {
  this.timeout(120_000);
  const folder = folderOfTest();
  let directory: string;
  const running: { kill(): Promise<void> }[] = [];
  beforeEach(() => {
    directory = join(folder.path, "assets");
  });
  afterEach(() => Promise.all(running.splice(0).map((each) => each.kill())));

  const openStore = (at = directory, maxBytes = 100_000_000): Promise<ContentStore> =>
    ContentStore.open({
      directory: at,
      maxBytes,
      clock: systemClock,
      logger: quietLogger(),
    });
  async function start(flags: readonly string[] = [], wrap?: string): Promise<AssetProcess> {
    const started = await AssetProcess.start(["--directory", directory, ...flags], wrap);
    running.push(started);
    return started;
  }
  async function read(store: ContentStore, bytes: Uint8Array): Promise<Buffer | undefined> {
    return readAsset(store, sriOf(bytes));
  }
  /** Receives the rest, from whatever is there. */
  async function finish(store: ContentStore, bytes: Buffer): Promise<number> {
    const incoming = await store.receive(expectedOf(bytes));
    const { offset } = incoming;
    await incoming.write(bytes.subarray(offset));
    assert.ok((await incoming.commit()).valid);
    assert.ok((await read(store, bytes))?.equals(bytes));
    return offset;
  }
  /** Nothing is left of what was half done. */
  async function assertTidy(store: ContentStore): Promise<void> {
    assert.deepEqual(await readdir(join(directory, "trash")), []);
    assert.equal((await readdir(join(directory, "incoming"))).length, 1);
    let bytes = 0;
    for (const [path, size] of filesOf(directory)) {
      if (path.startsWith("sha256") || path.startsWith("partial")) {
        assert.match(path, /\/(content|meta\.json)$/u);
        if (path.endsWith("content")) bytes += size;
      }
    }
    const usage = store.usage();
    assert.equal(bytes, usage.bytes + usage.incomingBytes);
  }

  const SIZE = 200 * KIBIBYTE;
  const hat = assetBytes("hat", SIZE);

  it("killed between write and rename: nothing is served, and nothing has to be sent again", async () => {
    const dying = await start(["--die-at", join(directory, "sha256")]);
    await dying.ask("begin", "hat", SIZE);
    await dying.ask("write", "hat", SIZE);
    assert.equal(await dying.ask("commit", "hat", SIZE), undefined);
    assert.equal(await dying.signal(), "SIGKILL");
    const left = [...filesOf(directory)].filter(([, size]) => size === SIZE);
    assert.equal(left.length, 1);
    assert.match(left[0]![0], /^incoming/u);

    const store = await openStore();
    assert.equal(await store.stat(sriOf(hat)), undefined);
    assert.equal(await store.open(sriOf(hat)), undefined);
    await assertTidy(store);
    assert.equal(await finish(store, hat), SIZE);
    await assertTidy(store);
    await store.close();
  });

  it("killed at any step: what is there is whole, and the rest can be had", async () => {
    const steps: [string, string, number, number?][] = [
      ["add", "own", 1000],
      ["begin", "hat", SIZE],
      ["write", "hat", SIZE, SIZE / 2],
      ["suspend", "hat", SIZE],
      ["begin", "hat", SIZE],
      ["write", "hat", SIZE],
      ["commit", "hat", SIZE],
      ["begin", "coat", 5000],
      ["write", "coat", 5000, 4000],
      ["quarantine", "coat", 5000],
      ["remove", "own", 1000],
      ["close", "", 0],
    ];
    /** Runs until it dies or all is done; what was answered. */
    const run = async (at: string, dieBefore: number) => {
      const dying = await AssetProcess.start([
        ...["--directory", at, "--die-before", String(dieBefore)],
      ]);
      running.push(dying);
      let done = 0;
      let calls = 0;
      for (const step of steps) {
        const answer = await dying.ask(...step);
        if (answer === undefined) break;
        assert.equal(answer.failed, undefined);
        calls = answer.calls ?? 0;
        done += 1;
      }
      if (done === steps.length) await dying.end();
      else assert.equal(await dying.signal(), "SIGKILL");
      return { done, calls };
    };
    const { done: all, calls } = await run(join(folder.path, "whole"), 0);
    assert.equal(all, steps.length);
    assert.ok(calls > 40, `${calls} calls`);

    const deaths = Array.from({ length: calls }, (_, index) => index + 1);
    const check = async (dieBefore: number): Promise<void> => {
      const at = join(folder.path, `death-${dieBefore}`);
      const { done } = await run(at, dieBefore);
      assert.ok(done < steps.length);
      const store = await openStore(at);
      const where = `killed before call ${dieBefore}, after ${done} steps`;
      for await (const { hash } of store.list()) {
        const bytes = [hat, assetBytes("own", 1000)].find((each) => sriOf(each) === hash);
        assert.ok(bytes, where);
        assert.ok((await read(store, bytes))?.equals(bytes), where);
      }
      // What was answered to have happened has happened.
      const own = await store.stat(sriOf(assetBytes("own", 1000)));
      if (done >= 1 && done < 10) assert.ok(own, where);
      if (done >= 11) assert.equal(own, undefined, where);
      if (done >= 7) assert.ok((await read(store, hat))?.equals(hat), where);
      if (done >= 10) assert.equal((await store.quarantine.list()).length, 1, where);
      const whole = (await store.stat(sriOf(hat))) !== undefined;
      const offset = whole ? SIZE : await finish(store, hat);
      if (done >= 3) assert.ok(offset >= SIZE / 2, `${where}: only ${offset} bytes were kept`);
      assert.deepEqual(await readdir(join(at, "trash")), [], where);
      assert.equal((await readdir(join(at, "incoming"))).length, 1, where);
      await store.close();
      assert.deepEqual(await readdir(join(at, "incoming")), [], where);
      await rm(at, { recursive: true });
    };
    const two = [0, 1].map(async () => {
      for (let next = deaths.shift(); next !== undefined; next = deaths.shift()) await check(next);
    });
    await Promise.all(two);
  });

  it("two processes receive the same: neither disturbs the other, and it is there once", async () => {
    const [one, two] = [await start(), await start()];
    const both = [one, two];
    for (const each of both) assert.equal((await each.ask("begin", "hat", SIZE))?.done, 0);
    for (const each of both) await each.ask("write", "hat", SIZE, SIZE / 2);
    // A third that starts meanwhile does not take what the living are writing for left behind.
    const store = await openStore();
    assert.equal(await store.open(sriOf(hat)), undefined);
    for (const each of both) await each.ask("write", "hat", SIZE);
    assert.equal(await store.open(sriOf(hat)), undefined);
    const answers = await Promise.all(both.map((each) => each.ask("commit", "hat", SIZE)));
    assert.deepEqual(
      answers.map((answer) => answer?.done),
      [true, true],
    );
    assert.ok((await read(store, hat))?.equals(hat));
    const whole = [...filesOf(directory)].filter(([, size]) => size === SIZE);
    const hex = hexOf(hat);
    assert.deepEqual(whole, [[join("sha256", hex.slice(0, 2), hex, "content"), SIZE]]);
    for (const each of both) await each.end();
    await store.close();
  });

  it("one process takes up what another suspended, and what another died over; one at a time", async () => {
    const [one, two] = [await start(), await start()];
    await one.ask("begin", "hat", SIZE);
    await one.ask("write", "hat", SIZE, 32 * KIBIBYTE);
    await one.ask("suspend", "hat", SIZE);
    assert.equal((await two.ask("begin", "hat", SIZE))?.done, 32 * KIBIBYTE);
    assert.equal((await one.ask("begin", "hat", SIZE))?.done, 0);
    await two.ask("write", "hat", SIZE, 32 * KIBIBYTE);
    await two.kill();
    const store = await openStore();
    assert.equal(await finish(store, hat), 64 * KIBIBYTE);
    await one.ask("write", "hat", SIZE);
    assert.equal((await one.ask("commit", "hat", SIZE))?.done, true);
    await one.end();
    await assertTidy(store);
    await store.close();
  });

  describe("when there is no more room", () => {
    /** A part that does not fit is refused and cleaned up, and what fits is taken after it. */
    async function fill(full: AssetProcess, isMounted: boolean): Promise<void> {
      assert.equal((await full.ask("add", "small", 10_000))?.failed, undefined);
      await full.ask("begin", "large", 4096 * KIBIBYTE);
      const refused = await full.ask("write", "large", 4096 * KIBIBYTE);
      assert.equal(refused?.failed, "ERR_FED_ASSET_STORE_FULL");
      const owned = await full.ask("add", "owned", 4096 * KIBIBYTE);
      assert.equal(owned?.failed, "ERR_FED_ASSET_STORE_FULL");
      if (!isMounted) {
        const half = [...filesOf(join(directory, "incoming")).keys()];
        assert.ok(!half.some((path) => path.endsWith("content")), half.join());
      }
      await full.ask("begin", "hat", SIZE);
      await full.ask("write", "hat", SIZE);
      assert.equal((await full.ask("commit", "hat", SIZE))?.done, true);
      await full.ask("close");
      await full.end();
    }

    it("on the disk: the part is cleaned up, and the store goes on", async function () {
      mkdirSync(directory);
      const mount = `mount -t tmpfs -o size=1m tmpfs ${directory}`;
      try {
        execFileSync("unshare", ["-rm", "sh", "-c", mount], { stdio: "ignore" });
      } catch {
        leaveOut(this, "a disk that is full, for want of the right to mount one");
      }
      // The mount is seen by that process alone: it tells what is on it before it ends.
      const report = join(folder.path, "files");
      const then = `"$@"; find ${directory} -type f > ${report}`;
      const full = await start([], `exec unshare -rm sh -c '${mount} && { ${then}; }' sh "$@"`);
      await fill(full, true);
      const files = execFileSync("cat", [report], { encoding: "utf8" }).trim().split("\n");
      assert.equal(files.filter((path) => path.endsWith("/content")).length, 2);
      assert.ok(
        files.every((path) => path.startsWith(join(directory, "sha256"))),
        files.join(),
      );
    });

    it("by the limit of the process: the part is cleaned up, and the store goes on", async () => {
      // In blocks of 512 bytes, or of 1024 in some shells: 0.5 or 1 MiB.
      const full = await start([], 'ulimit -f 1024 && exec "$@"');
      await fill(full, false);
      const store = await openStore();
      assert.deepEqual(store.usage(), { bytes: SIZE + 10_000, count: 2, incomingBytes: 0 });
      assert.ok((await read(store, hat))?.equals(hat));
      await assertTidy(store);
      await store.close();
    });
  });
});
