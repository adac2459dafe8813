/** The signature base of RFC 9421 section 2.5: what a signature is over. */
import {
  type Item,
  type Parameters,
  parseDictionary,
  parseList,
  serializeDictionary,
  serializeMember,
} from "./structured-fields.ts";

/** Headers by their names in lower case. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** A request as its signature sees it. `targetUri` comes from configuration, never from `Host`. */
export interface SignedMessageParts {
  readonly method: string;
  readonly targetUri: string;
  readonly headers: Headers;
  readonly body: Uint8Array | undefined;
}

/** What components are taken from. */
export type Message =
  | { readonly method: string; readonly targetUri: string; readonly headers: Headers }
  | { readonly status: number; readonly headers: Headers };

/** A covered component, and its identifier as it is written. */
export interface Component {
  /** Undefined: no name, which no message has. */
  readonly name: string | undefined;
  readonly parameters: Parameters;
  readonly identifier: string;
}

/** The component that an item of the covered list names. */
export function componentOf(item: Item): Component {
  const { value, parameters } = item;
  const name = typeof value === "string" ? value : undefined;
  return { name, parameters, identifier: serializeMember(item) };
}

/**
 * The base of a signature over `covered` with the parameters that `input` ends with; undefined when the
 * message has no such component. `request` is what components with `req` are taken from.
 */
export function signatureBase(
  covered: readonly Component[],
  input: string,
  message: Message,
  request?: Message,
): Buffer | undefined {
  let base = "";
  for (const component of covered) {
    const values = valuesOf(component, component.parameters.has("req") ? request : message);
    if (values === undefined) return undefined;
    if (typeof values === "string") base += `${component.identifier}: ${values}\n`;
    else for (const value of values) base += `${component.identifier}: ${value}\n`;
  }
  return Buffer.from(`${base}"@signature-params": ${input}`);
}

/** One line's value, or a line's value for each of several query parameters. */
function valuesOf(
  { name, parameters }: Component,
  message: Message | undefined,
): string | string[] | undefined {
  if (message === undefined || name === undefined) return undefined;
  const known = name.toLowerCase();
  if (!known.startsWith("@")) return headerOf(message.headers, known, parameters);
  if ("status" in message) return known === "@status" ? String(message.status) : undefined;
  if (known === "@method") return message.method.toUpperCase();
  if (known === "@target-uri") return message.targetUri;
  const url = URL.parse(message.targetUri);
  if (url === null) return undefined;
  switch (known) {
    case "@authority":
      return url.host;
    case "@scheme":
      return url.protocol.slice(0, -1);
    case "@request-target":
      return url.pathname + url.search;
    case "@path":
      return url.pathname;
    case "@query":
      return url.search || "?";
    case "@query-param":
      return queryParameter(url, parameters.get("name"));
    default:
      return undefined;
  }
}

function queryParameter(url: URL, encoded: unknown): string[] | undefined {
  if (typeof encoded !== "string") return undefined;
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  const values = url.searchParams.getAll(name);
  return values.length === 0 ? undefined : values.map(encodeURIComponent);
}

function headerOf(headers: Headers, name: string, parameters: Parameters): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined) return undefined;
  const key = parameters.get("key");
  if (parameters.size > 0 && (key !== undefined || parameters.has("sf"))) {
    if (parameters.has("bs")) return undefined;
    const text = typeof value === "string" ? value : value.join(", ");
    return key === undefined ? structured(text) : memberOf(text, key);
  }
  const lines = typeof value === "string" ? [value] : value;
  return parameters.has("bs")
    ? lines.map((line) => `:${Buffer.from(unfolded(line)).toString("base64")}:`).join(", ")
    : lines.map(unfolded).join(", ");
}

function unfolded(line: string): string {
  return line.trim().replaceAll(/\n\s*/gu, " ");
}

/** A field in canonical form, whichever kind it is. */
function structured(text: string): string | undefined {
  const list = parseList(text);
  if (list !== undefined) return list.map(serializeMember).join(", ");
  const dictionary = parseDictionary(text);
  return dictionary === undefined ? undefined : serializeDictionary(dictionary);
}

/** One member of a dictionary. */
function memberOf(text: string, key: unknown): string | undefined {
  const member = typeof key === "string" ? parseDictionary(text)?.get(key) : undefined;
  return member === undefined ? undefined : serializeMember(member);
}
