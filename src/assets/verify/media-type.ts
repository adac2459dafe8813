/**
 * What kind of file bytes are, by how they begin.
 *
 * Tells whether a claimed type is true to the bytes' beginning, so that a script is not kept as a
 * picture. It does not parse the file: a picture with a program appended is still a picture here,
 * and `nosniff` and the sandboxing headers keep it one.
 */

/** This many first bytes decide; fewer are enough when the file is shorter. */
export const SNIFF_BYTES = 4096;

/** The types taken by default: what avatars are made of, and nothing a browser would run. */
export const DEFAULT_MEDIA_TYPES: readonly string[] = [
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/ktx2",
  "model/gltf-binary",
  "model/gltf+json",
  "audio/ogg",
  "audio/mpeg",
  "audio/wav",
  "audio/webm",
  "audio/mp4",
  "video/webm",
  "video/mp4",
  "font/woff2",
  "application/json",
  "text/plain",
  "application/octet-stream",
];

const NAME = "[a-z0-9][a-z0-9!#$&^_.+-]{0,62}";
const MEDIA_TYPE = new RegExp(`^${NAME}/${NAME}$`, "u");

/** Whether `value` is a media type in lower case and without parameters (RFC 6838). */
export function isMediaType(value: string): boolean {
  return MEDIA_TYPE.test(value);
}

/** Families of names for one kind of bytes; the first name is what sniffing answers. */
const KINDS: readonly {
  readonly names: readonly string[];
  readonly is: (head: Buffer) => boolean;
}[] = [
  { names: ["image/png"], is: starts("\x89PNG\r\n\x1a\n") },
  { names: ["image/jpeg"], is: starts("\xff\xd8\xff") },
  { names: ["image/gif"], is: (head) => starts("GIF87a")(head) || starts("GIF89a")(head) },
  { names: ["image/webp"], is: riff("WEBP") },
  { names: ["audio/wav", "audio/wave", "audio/vnd.wave", "audio/x-wav"], is: riff("WAVE") },
  { names: ["image/avif"], is: (head) => brands(head).some((brand) => /^avi[fs]$/u.test(brand)) },
  {
    names: ["video/mp4", "audio/mp4"],
    is: (head) => brands(head).some((brand) => /^(iso.|mp4.|M4[AVBP] |avc1|dash)$/u.test(brand)),
  },
  { names: ["image/ktx2"], is: starts("\xabKTX 20\xbb\r\n\x1a\n") },
  { names: ["model/gltf-binary"], is: starts("glTF\x02\0\0\0") },
  { names: ["audio/ogg", "video/ogg", "application/ogg"], is: starts("OggS\0") },
  {
    names: ["video/webm", "audio/webm"],
    is: (head) => starts("\x1aE\xdf\xa3")(head) && head.subarray(0, 64).includes("webm"),
  },
  { names: ["font/woff2"], is: starts("wOF2") },
  { names: ["audio/mpeg"], is: (head) => starts("ID3")(head) || isMpegAudio(head) },
  { names: ["application/pdf"], is: (head) => head.subarray(0, 1024).includes("%PDF-") },
  { names: ["image/svg+xml"], is: (head) => isMarkup(head, /^<svg[\s>/]/iu) },
  { names: ["text/html", "application/xhtml+xml"], is: (head) => isMarkup(head, HTML) },
  {
    names: ["application/xml", "text/xml"],
    is: (head) => /^\s*<\?xml[\s?]/iu.test(text(head) ?? ""),
  },
  {
    names: ["application/json", "model/gltf+json"],
    is: (head) => /^\s*[{[]\s*["{[\]}\-\dtfn]/u.test(text(head) ?? ""),
  },
];

/** Elements by which browsers take an untyped file for HTML (WHATWG MIME Sniffing 7.1). */
const HTML =
  /^(<!doctype html|<(html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|template|object|embed|form|img|link|meta|base)[\s>/]|<!--)/iu;

/** What the bytes look like: a media type, `text/plain`, or undefined when they look like nothing known. */
export function sniffMediaType(bytes: Uint8Array): string | undefined {
  const head = headOf(bytes);
  const kind = KINDS.find(({ is }) => is(head));
  if (kind !== undefined) return kind.names[0];
  return head.length > 0 && text(head) !== undefined ? "text/plain" : undefined;
}

/**
 * Whether bytes are what `mediaType` says, as far as their beginning tells. A type that is not known
 * here agrees with bytes that look like nothing else that is; `application/octet-stream` with all
 * that a browser would not run.
 */
export function agreesWithMediaType(bytes: Uint8Array, mediaType: string): boolean {
  const head = headOf(bytes);
  const claimed = KINDS.find(({ names }) => names.includes(mediaType));
  // `{"…` begins a JSON file; a JSON file may also be a bare number or string.
  if (claimed?.names.includes("application/json") === true) {
    return /^\s*["{[\-\dtfn]/u.test(text(head) ?? "");
  }
  if (mediaType === "application/xml" || mediaType === "text/xml") {
    return /^\s*</u.test(text(head) ?? "");
  }
  if (claimed !== undefined) return claimed.is(head);
  const looksLike = sniffMediaType(head);
  if (mediaType.startsWith("text/")) {
    return head.length === 0 || looksLike === "text/plain" || looksLike === "application/json";
  }
  if (mediaType === "application/octet-stream")
    return looksLike === undefined || !isActive(looksLike);
  return looksLike === undefined || looksLike === "text/plain";
}

const ACTIVE =
  /^(text\/(html|xml|javascript|ecmascript|xsl)|application\/(xml|xhtml\+xml|pdf|javascript|x-javascript|ecmascript|wasm|x-shockwave-flash)|multipart\/.*|.*\+xml)$/u;

/** Whether a browser that opens a file of this type by itself may run what is in it. */
export function isActive(mediaType: string): boolean {
  return ACTIVE.test(mediaType.toLowerCase().split(";")[0]?.trim() ?? "");
}

function headOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, SNIFF_BYTES));
}

function starts(signature: string): (head: Buffer) => boolean {
  return (head) => head.subarray(0, signature.length).equals(Buffer.from(signature, "latin1"));
}

function riff(form: string): (head: Buffer) => boolean {
  return (head) => starts("RIFF")(head) && head.toString("latin1", 8, 12) === form;
}

/** The brands of an ISO base media file (ISO/IEC 14496-12), the major one first. */
function brands(head: Buffer): string[] {
  if (head.length < 16 || head.toString("latin1", 4, 8) !== "ftyp") return [];
  const end = Math.min(head.readUInt32BE(0), head.length);
  const found = [head.toString("latin1", 8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) found.push(head.toString("latin1", at, at + 4));
  return found;
}

/** A frame header of MPEG audio layer III: sync, layer, a bit rate and a sample rate that exist. */
function isMpegAudio(head: Buffer): boolean {
  if (head.length < 4 || head[0] !== 0xff) return false;
  const [second = 0, third = 0] = head.subarray(1, 3);
  const bitRate = third >> 4;
  return (
    (second & 0xe6) === 0xe2 && // sync, layer III
    (second & 0x18) !== 0x08 && // MPEG 1, 2 or 2.5
    bitRate !== 0 &&
    bitRate !== 15 &&
    (third & 0x0c) !== 0x0c
  );
}

/** Whether text begins with what `element` matches, past a prolog, a doctype and comments. */
function isMarkup(head: Buffer, element: RegExp): boolean {
  const markup = (text(head) ?? "").trimStart();
  return element.test(markup) || element.test(afterProlog(markup));
}

function afterProlog(markup: string): string {
  let rest = markup;
  for (;;) {
    const next = rest
      .replace(/^(<\?[^>]*\?>|<!--[\s\S]*?-->|<!doctype(?!\s+html)[^>[]*(\[[^\]]*\])?\s*>)/iu, "")
      .trimStart();
    if (next === rest) return rest;
    rest = next;
  }
}

/** The bytes as UTF-8 text without a byte order mark, or undefined when they are no text. */
function text(head: Buffer): string | undefined {
  try {
    // The last character may be cut through.
    const decoded = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    // eslint-disable-next-line no-control-regex -- they are what is looked for
    return /[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]/u.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}
