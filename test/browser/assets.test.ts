import assert from "node:assert/strict";
import { type RequestListener, createServer } from "node:http";
import { type Browser, type Page, chromium } from "playwright-core";
import { ContentStore } from "../../src/assets/store/content-store.ts";
import type { StoredAsset } from "../../src/assets/store/stored-asset.ts";
import { createAssetServer } from "../../src/http/inbound/asset-server.ts";
import { systemClock } from "../../src/ports.ts";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { blob, sriOf } from "../support/assets.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { recordingLogger } from "../support/loggers.ts";
import { hangUp, listen } from "../support/loopback.ts";
import { requireProgram } from "../support/requirements.ts";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">
  <style>rect { fill: rgb(0, 128, 0) }</style>
  <script>top.ranFromAsset = true</script>
  <rect width="8" height="8"/>
</svg>`;
const HTML = "<!doctype html><title>asset</title><script>document.title = 'it ran'</script>";

describe("assets in a browser, from a page of another origin", function () {
  this.timeout(60_000);
  const folder = folderOfSuite();
  const closers: (() => unknown)[] = [];
  let browser: Browser;
  let page: Page;
  let store: ContentStore;
  let base: string;
  let home: string;

  const serveBy = async (listener: RequestListener): Promise<string> => {
    const server = createServer(listener);
    closers.push(() => hangUp(server));
    return (await listen(server)).origin;
  };
  const urlOf = ({ hex }: StoredAsset): string => `${base}/assets/sha256/${hex}`;
  const add = (content: Uint8Array | string, mediaType: string): Promise<StoredAsset> =>
    store.add(Buffer.from(content), { mediaType });

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    browser = await chromium.launch({
      executablePath,
      args: CHROMIUM_FLAGS,
    });
    closers.push(() => browser.close());
    const directory = folder.path;
    const logger = recordingLogger();
    store = await ContentStore.open({ directory, maxBytes: 2 ** 26, clock: systemClock, logger });
    closers.push(() => store.close());
    const serve = createAssetServer({ store, clock: systemClock, logger });
    base = await serveBy((request, response) => void serve(request, response, request.url ?? ""));
    home = await serveBy((_request, response) => {
      response.setHeader("content-type", "text/html").end("<!doctype html><title>page</title>");
    });
  });
  after(async () => {
    for (const close of closers) await close();
  });
  beforeEach(async () => {
    page = await browser.newPage();
    await page.goto(home);
  });
  afterEach(async () => {
    await page?.close();
  });

  it("are fetched under their hash, and under no other", async () => {
    const bytes = blob(100_000);
    const asset = await add(bytes, "application/octet-stream");
    const load = (integrity: string): Promise<number | string> =>
      page.evaluate(
        ([url, hash]) =>
          fetch(url, { integrity: hash }).then(
            async (response) => (await response.arrayBuffer()).byteLength,
            (cause: unknown) => String(cause),
          ),
        [urlOf(asset), integrity] as const,
      );
    assert.equal(await load(asset.hash), 100_000);
    assert.match(String(await load(sriOf("other"))), /TypeError/u);
  });

  it("are fetched in ranges, with their headers to be read", async () => {
    const asset = await add(blob(1000), "application/octet-stream");
    const seen = await page.evaluate(
      async ([url, etag]) => {
        const headers = { range: "bytes=10-19", "if-range": etag };
        const response = await fetch(url, { headers });
        const { length } = new Uint8Array(await response.arrayBuffer());
        return [response.status, response.headers.get("content-range"), length];
      },
      [urlOf(asset), `"${asset.hex}"`] as const,
    );
    assert.deepEqual(seen, [206, "bytes 10-19/1000", 10]);
  });

  it("are pictures, an SVG too, with its styles and without its scripts", async () => {
    const asset = await add(SVG, "image/svg+xml");
    const pixel = await page.evaluate(async (url) => {
      const picture = new Image();
      picture.crossOrigin = "anonymous";
      picture.src = url;
      await picture.decode();
      const canvas = document.createElement("canvas");
      const context = canvas.getContext("2d");
      context?.drawImage(picture, 0, 0);
      return [...(context?.getImageData(4, 4, 1, 1).data ?? [])];
    }, urlOf(asset));
    assert.deepEqual(pixel, [0, 128, 0, 255]);
    assert.equal(await page.evaluate("window.ranFromAsset"), undefined);
  });

  it("are no pages: whoever goes to one gets a download", async () => {
    for (const asset of [await add(HTML, "text/html"), await add(SVG, "image/svg+xml")]) {
      const download = page.waitForEvent("download");
      await page.goto(urlOf(asset)).catch(() => undefined);
      await (await download).cancel();
      assert.equal(await page.title(), "page");
    }
  });

  it("run nothing in a frame", async () => {
    const asset = await add(HTML, "text/html");
    await page.evaluate((url) => {
      const frame = document.createElement("iframe");
      frame.src = url;
      document.body.append(frame);
    }, urlOf(asset));
    await eventually(() => assert.equal(page.frames().length, 2));
    for (const frame of page.frames()) assert.notEqual(await frame.title(), "it ran");
  });
});
