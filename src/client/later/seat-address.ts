/** A server's word on where one of its seats is taken (PROTOCOL 7, `seat`). */
import { kit } from "./kit.ts";

/** Whether a server's statement on a seat says exactly this. */
export function saysAddress(
  keys: ReadonlyMap<string, Uint8Array>,
  token: string | undefined,
  expected: { readonly iss: string; readonly sid: string; readonly address: string },
): boolean {
  const [head = "", payload = "", signature = "", more] = token?.split(".") ?? [];
  const { alg, typ, kid } = kit.decodeJson(head) ?? {};
  const key = typeof kid === "string" ? keys.get(kid) : undefined;
  const signed = kit.decodeBase64Url(signature);
  if (more !== undefined || alg !== "EdDSA" || typ !== "aether-seat+jwt") return false;
  if (key === undefined || signed?.length !== kit.nacl.sign.signatureLength) return false;
  const message = new TextEncoder().encode(`${head}.${payload}`);
  if (!kit.nacl.sign.detached.verify(message, signed, key)) return false;
  const { iss, sid, address } = kit.decodeJson(payload) ?? {};
  return iss === expected.iss && sid === expected.sid && address === expected.address;
}
