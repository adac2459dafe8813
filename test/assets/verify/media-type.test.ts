import assert from "node:assert/strict";
import {
  DEFAULT_MEDIA_TYPES,
  SNIFF_BYTES,
  agreesWithMediaType,
  isActive,
  isMediaType,
  sniffMediaType,
} from "../../../src/assets/verify/media-type.ts";

const latin = (text: string): Buffer => Buffer.from(text, "latin1");
const ftyp = (...brands: string[]): Buffer => {
  const [major = "", ...compatible] = brands;
  const body = `ftyp${major}\0\0\0\0${compatible.join("")}`;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([length, latin(body), Buffer.alloc(16)]);
};

/** The beginning of a real file of each type, as their specifications have it. */
const FILES: Record<string, Buffer> = {
  "image/png": latin("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0"),
  "image/jpeg": latin("\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
  "image/gif": latin("GIF89a\x01\0\x01\0\x80\0\0"),
  "image/webp": latin("RIFF\x24\0\0\0WEBPVP8L"),
  "image/avif": ftyp("avif", "mif1", "miaf"),
  "image/svg+xml": latin('<?xml version="1.0"?>\n<!-- a hat --><svg xmlns="x"></svg>'),
  "image/ktx2": latin("\xabKTX 20\xbb\r\n\x1a\n\0\0\0\0"),
  "model/gltf-binary": latin("glTF\x02\0\0\0\x40\0\0\0\x20\0\0\0JSON{}"),
  "model/gltf+json": latin('{"asset":{"version":"2.0"}}'),
  "audio/ogg": latin("OggS\0\x02\0\0\0\0\0\0\0\0"),
  "audio/mpeg": latin("ID3\x04\0\0\0\0\0\0"),
  "audio/wav": latin("RIFF\x24\0\0\0WAVEfmt "),
  "audio/webm": latin(
    "\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
  ),
  "video/webm": latin(
    "\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
  ),
  "audio/mp4": ftyp("M4A ", "mp42", "isom"),
  "video/mp4": ftyp("isom", "iso2", "avc1", "mp41"),
  "font/woff2": latin("wOF2\0\x01\0\0\0\0\0\0"),
  "application/json": latin('{"name":"hat"}'),
  "application/pdf": latin("%PDF-1.7\n"),
  "text/html": latin("<!doctype html><title>x</title>"),
  "text/plain": Buffer.from("Ein Hut aus grünem Filz\n"),
  "application/octet-stream": Buffer.from([0, 1, 2, 3, 254, 255]),
};
/** What is the same kind of bytes under several names. */
const SAME = [
  ["audio/webm", "video/webm"],
  ["audio/mp4", "video/mp4"],
  ["application/json", "model/gltf+json", "text/plain"],
];

describe("assets/media-type", () => {
  it("knows a file of every type that is taken by default", () => {
    for (const mediaType of DEFAULT_MEDIA_TYPES) assert.ok(FILES[mediaType], mediaType);
  });

  for (const [mediaType, file] of Object.entries(FILES)) {
    it(`takes ${mediaType} for itself and for nothing else`, () => {
      for (const other of Object.keys(FILES)) {
        const agrees =
          other === mediaType ||
          (other === "application/octet-stream" && !isActive(mediaType)) ||
          // JSON is text, though text is not JSON.
          (mediaType !== "text/plain" &&
            SAME.some((names) => names.includes(other) && names.includes(mediaType)));
        assert.equal(agreesWithMediaType(file, other), agrees, `${mediaType} bytes as ${other}`);
      }
    });
  }

  it("says what bytes look like", () => {
    const unlike: Record<string, string | undefined> = {
      "audio/webm": "video/webm",
      "audio/mp4": "video/mp4",
      "model/gltf+json": "application/json",
      "application/octet-stream": undefined,
    };
    for (const [mediaType, file] of Object.entries(FILES)) {
      const expected = mediaType in unlike ? unlike[mediaType] : mediaType;
      assert.equal(sniffMediaType(file), expected, mediaType);
    }
    assert.equal(sniffMediaType(new Uint8Array()), undefined);
  });

  it("knows MPEG audio that begins with a frame, and not every 0xff", () => {
    assert.ok(agreesWithMediaType(Buffer.from([0xff, 0xfb, 0x90, 0x64]), "audio/mpeg"));
    for (const not of [
      [0xff, 0xfb, 0xf0, 0x64],
      [0xff, 0xff, 0xff, 0xff],
      [0xff, 0xfb],
      [0xff, 0xd8, 0xff, 0xe0],
    ]) {
      assert.ok(!agreesWithMediaType(Buffer.from(not), "audio/mpeg"), not.join());
    }
  });

  it("is not talked into taking markup for text or bytes", () => {
    for (const markup of [
      "<script>alert(1)</script>",
      "\ufeff<!DOCTYPE HTML>",
      "\n\t <svg/onload=alert(1)>",
      "<!-- x --><!-- y --><svg>",
      '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x"><svg>',
      "<?xml version='1.0'?><html>",
      "<iframe src=x>",
    ]) {
      for (const claimed of ["text/plain", "application/octet-stream", "image/png"]) {
        assert.ok(!agreesWithMediaType(Buffer.from(markup), claimed), `${markup} as ${claimed}`);
      }
      assert.ok(isActive(sniffMediaType(Buffer.from(markup)) ?? ""), markup);
    }
  });

  it("decides by the beginning, a character cut through included", () => {
    const text = Buffer.from("ü".repeat(SNIFF_BYTES));
    assert.ok(agreesWithMediaType(text.subarray(0, SNIFF_BYTES - 1), "text/plain"));
    assert.ok(!agreesWithMediaType(Buffer.from([0xc3, 0x28]), "text/plain"));
    assert.ok(!agreesWithMediaType(Buffer.from("a\0b"), "text/plain"));
  });

  it("never needs more than a moment, whatever the bytes", () => {
    const from = performance.now();
    for (const unit of ["<!--", "<!doctype [", " ", "<?", "{", "<!---->"]) {
      sniffMediaType(Buffer.from(unit.repeat(SNIFF_BYTES)));
    }
    assert.ok(performance.now() - from < 500);
  });

  it("tells what a browser would run", () => {
    for (const active of [
      "text/html",
      "TEXT/HTML; charset=utf-8",
      "image/svg+xml",
      "application/xml",
      "text/xml",
      "application/xhtml+xml",
      "application/pdf",
      "text/javascript",
      "application/rss+xml",
    ]) {
      assert.ok(isActive(active), active);
    }
    for (const mediaType of DEFAULT_MEDIA_TYPES) assert.ok(!isActive(mediaType), mediaType);
  });

  it("knows a media type when it sees one", () => {
    for (const mediaType of DEFAULT_MEDIA_TYPES) assert.ok(isMediaType(mediaType));
    for (const not of [
      "",
      "png",
      "image/",
      "/png",
      "image/PNG",
      "image/png;q=1",
      "a/b/c",
      "a b/c",
      "image/png\n",
    ]) {
      assert.ok(!isMediaType(not), JSON.stringify(not));
    }
  });
});
