/**
 * Structured fields (RFC 9651, and RFC 8941 before it), read strictly in one pass and written in the
 * one form that signatures cover. Whatever a field may hold is read, since messages may carry others'
 * signatures beside ours.
 */

/** A decimal, a token, a byte sequence, a date or a display string: only its canonical form counts. */
export interface Other {
  /** In canonical form. */
  readonly text: string;
  /** Of a byte sequence. */
  readonly bytes?: Buffer;
  /** A byte sequence as it came: base64 has more than one spelling of the same bytes. */
  readonly spelling?: string;
}

/** The value of an item or a parameter; a number is an integer. */
export type BareItem = string | number | boolean | Other;
/** Parameters in order. */
export type Parameters = ReadonlyMap<string, BareItem>;

/** An item with its parameters. */
export interface Item {
  readonly value: BareItem;
  readonly parameters: Parameters;
}
/** A list within a list or a dictionary, with its parameters. */
export interface InnerList {
  readonly items: readonly Item[];
  readonly parameters: Parameters;
}
/** What a dictionary or a list holds. */
export type Member = Item | InnerList;
/** A dictionary, in order. */
export type Dictionary = ReadonlyMap<string, Member>;

/** Reads a dictionary; undefined when the text is none. */
export function parseDictionary(text: string): Dictionary | undefined {
  return attempt(() => new Reader(text).dictionary());
}

/** Reads a list, of which an item alone is one; undefined when the text is none. */
export function parseList(text: string): readonly Member[] | undefined {
  return attempt(() => new Reader(text).list());
}

/** Writes an item or an inner list. */
export function serializeMember(member: Member): string {
  const value =
    "items" in member
      ? `(${member.items.map(serializeMember).join(" ")})`
      : serializeBareItem(member.value);
  return value + serializeParameters(member.parameters);
}

/** Writes a dictionary. */
export function serializeDictionary(dictionary: Dictionary): string {
  return Array.from(dictionary, ([key, member]) =>
    "value" in member && member.value === true
      ? key + serializeParameters(member.parameters)
      : `${key}=${serializeMember(member)}`,
  ).join(", ");
}

/** Writes parameters. */
export function serializeParameters(parameters: Parameters): string {
  let text = "";
  for (const [key, value] of parameters) {
    text += value === true ? `;${key}` : `;${key}=${serializeBareItem(value)}`;
  }
  return text;
}

function serializeBareItem(value: BareItem): string {
  switch (typeof value) {
    case "string":
      return `"${/["\\]/u.test(value) ? value.replaceAll(/["\\]/gu, "\\$&") : value}"`;
    case "number":
      return String(value);
    case "boolean":
      return value ? "?1" : "?0";
    default:
      return value.text;
  }
}

/** Thrown within this file only, so that garbage costs no stack trace. */
const MALFORMED = new Error("malformed structured field");
const NO_PARAMETERS: Parameters = new Map();
const UTF8 = new TextDecoder("utf-8", { fatal: true });

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** What each character may be part of, by its code. */
const KEY_START = 1;
const KEY = 2;
const TOKEN_START = 4;
const TOKEN = 8;
const DIGIT = 16;
const CLASSES = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code);
  return (
    (/[a-z*]/u.test(char) ? KEY_START : 0) |
    (/[a-z0-9_\-.*]/u.test(char) ? KEY : 0) |
    (/[A-Za-z*]/u.test(char) ? TOKEN_START : 0) |
    (/[:/!#$%&'*+\-.^_`|~A-Za-z0-9]/u.test(char) ? TOKEN : 0) |
    (/[0-9]/u.test(char) ? DIGIT : 0)
  );
});

const [SPACE, TAB, QUOTE, BACKSLASH] = [0x20, 0x09, 0x22, 0x5c];
const [COMMA, SEMICOLON, COLON, EQUALS] = [0x2c, 0x3b, 0x3a, 0x3d];
const [OPEN, CLOSE, DASH, DOT] = [0x28, 0x29, 0x2d, 0x2e];
const [AT, PERCENT, QUESTION] = [0x40, 0x25, 0x3f];

/** The parsing algorithms of RFC 9651 section 4.2. Each step moves on or throws: linear in the text. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  dictionary(): Dictionary {
    const dictionary = new Map<string, Member>();
    this.#members(() => {
      const key = this.#key();
      const member = this.#skip(EQUALS)
        ? this.#member()
        : { value: true, parameters: this.#parameters() };
      dictionary.set(key, member);
    });
    return dictionary;
  }

  list(): Member[] {
    const list: Member[] = [];
    this.#members(() => list.push(this.#member()));
    return list;
  }

  #members(read: () => void): void {
    this.#spaces();
    while (!this.#ended()) {
      read();
      this.#optionalWhitespace();
      if (this.#ended()) return;
      this.#expect(COMMA);
      this.#optionalWhitespace();
      if (this.#ended()) throw MALFORMED;
    }
  }

  #member(): Member {
    if (!this.#skip(OPEN)) return this.#item();
    const items: Item[] = [];
    for (;;) {
      this.#spaces();
      if (this.#skip(CLOSE)) return { items, parameters: this.#parameters() };
      items.push(this.#item());
      const next = this.#code();
      if (next !== SPACE && next !== CLOSE) throw MALFORMED;
    }
  }

  #item(): Item {
    return { value: this.#bareItem(), parameters: this.#parameters() };
  }

  #parameters(): Parameters {
    if (this.#code() !== SEMICOLON) return NO_PARAMETERS;
    const parameters = new Map<string, BareItem>();
    while (this.#skip(SEMICOLON)) {
      this.#spaces();
      const key = this.#key();
      parameters.set(key, this.#skip(EQUALS) ? this.#bareItem() : true);
    }
    return parameters;
  }

  #bareItem(): BareItem {
    const code = this.#code();
    switch (code) {
      case QUOTE:
        return this.#string();
      case COLON:
        return this.#byteSequence();
      case QUESTION:
        return this.#boolean();
      case AT:
        return this.#date();
      case PERCENT:
        return this.#displayString();
      default:
        if (code === DASH || this.#is(DIGIT)) return this.#number();
        if (this.#is(TOKEN_START)) return { text: this.#run(TOKEN) };
        throw MALFORMED;
    }
  }

  #key(): string {
    if (!this.#is(KEY_START)) throw MALFORMED;
    return this.#run(KEY);
  }

  #number(): number | Other {
    const from = this.#at;
    this.#skip(DASH);
    const whole = this.#run(DIGIT);
    if (whole === "" || whole.length > 15) throw MALFORMED;
    if (!this.#skip(DOT)) return Number(this.#text.slice(from, this.#at));
    const fraction = this.#run(DIGIT);
    if (whole.length > 12 || fraction === "" || fraction.length > 3) throw MALFORMED;
    const value = Number(this.#text.slice(from, this.#at));
    return { text: value.toFixed(3).replace(/0{1,2}$/u, "") };
  }

  #string(): string {
    let from = (this.#at += 1);
    let value = "";
    for (; ; this.#at += 1) {
      const code = this.#code();
      if (code === QUOTE) {
        value += this.#text.slice(from, this.#at);
        this.#at += 1;
        return value;
      }
      if (code === BACKSLASH) {
        value += this.#text.slice(from, this.#at);
        from = this.#at += 1;
        const escaped = this.#code();
        if (escaped !== QUOTE && escaped !== BACKSLASH) throw MALFORMED;
      } else if (!isPrintable(code)) throw MALFORMED;
    }
  }

  #byteSequence(): Other {
    const end = this.#text.indexOf(":", this.#at + 1);
    if (end < 0) throw MALFORMED;
    const spelling = this.#text.slice(this.#at + 1, end);
    // Padding may be left out, but what is there must be right.
    const digits = spelling.length % 4 === 0 ? spelling.replace(/={1,2}$/u, "") : spelling;
    if (digits.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/u.test(digits)) throw MALFORMED;
    this.#at = end + 1;
    const bytes = Buffer.from(digits, "base64");
    return { text: `:${bytes.toString("base64")}:`, bytes, spelling };
  }

  #boolean(): boolean {
    const value = this.#text.charAt(this.#at + 1);
    if (value !== "0" && value !== "1") throw MALFORMED;
    this.#at += 2;
    return value === "1";
  }

  #date(): Other {
    this.#at += 1;
    const from = this.#at;
    this.#skip(DASH);
    const seconds = this.#run(DIGIT);
    if (seconds === "" || seconds.length > 15) throw MALFORMED;
    return { text: `@${Number(this.#text.slice(from, this.#at))}` };
  }

  #displayString(): Other {
    if (this.#text.charCodeAt(this.#at + 1) !== QUOTE) throw MALFORMED;
    const bytes: number[] = [];
    for (this.#at += 2; !this.#skip(QUOTE); this.#at += 1) {
      const code = this.#code();
      if (!isPrintable(code)) throw MALFORMED;
      if (code === PERCENT) {
        const hex = this.#text.slice(this.#at + 1, this.#at + 3);
        if (!/^[0-9a-f]{2}$/u.test(hex)) throw MALFORMED;
        bytes.push(Number.parseInt(hex, 16));
        this.#at += 2;
      } else bytes.push(code);
    }
    const value = UTF8.decode(Uint8Array.from(bytes));
    const escaped = Array.from(Buffer.from(value), (byte) =>
      byte === PERCENT || byte === QUOTE || !isPrintable(byte)
        ? `%${byte.toString(16).padStart(2, "0")}`
        : String.fromCharCode(byte),
    );
    return { text: `%"${escaped.join("")}"` };
  }

  /** The character here; NaN at the end. */
  #code(): number {
    return this.#text.charCodeAt(this.#at);
  }

  #is(kind: number): boolean {
    return ((CLASSES[this.#code()] ?? 0) & kind) !== 0;
  }

  #run(kind: number): string {
    const from = this.#at;
    while (this.#is(kind)) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  #skip(code: number): boolean {
    if (this.#code() !== code) return false;
    this.#at += 1;
    return true;
  }

  #expect(code: number): void {
    if (!this.#skip(code)) throw MALFORMED;
  }

  #ended(): boolean {
    return this.#at >= this.#text.length;
  }

  #spaces(): void {
    while (this.#code() === SPACE) this.#at += 1;
  }

  #optionalWhitespace(): void {
    while (this.#code() === SPACE || this.#code() === TAB) this.#at += 1;
  }
}

function isPrintable(code: number): boolean {
  return code >= 0x20 && code <= 0x7e;
}
