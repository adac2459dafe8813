/** What a handshake proof signs (PROTOCOL 4): domain-separated, every part length-prefixed. */
export interface HandshakeTranscript {
  readonly role: "responder" | "initiator";
  /** Origin and key id of the initiator (A) and the responder (B). */
  readonly originA: string;
  readonly originB: string;
  readonly kidA: string;
  readonly kidB: string;
  /** base64url of 32 bytes each. */
  readonly nonceA: string;
  readonly nonceB: string;
  readonly protocol: string;
}

const DOMAIN = Buffer.from("aether/1 handshake\0");

/** The bytes a proof is made over. */
export function transcriptBytes(transcript: HandshakeTranscript): Uint8Array {
  const { role, originA, originB, kidA, kidB, nonceA, nonceB, protocol } = transcript;
  const parts = [
    Buffer.from(role),
    Buffer.from(originA),
    Buffer.from(originB),
    Buffer.from(kidA),
    Buffer.from(kidB),
    Buffer.from(nonceA, "base64url"),
    Buffer.from(nonceB, "base64url"),
    Buffer.from(protocol),
  ];
  return Buffer.concat([DOMAIN, ...parts.flatMap((part) => [lengthPrefix(part), part])]);
}

function lengthPrefix(part: Uint8Array): Uint8Array {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(part.length);
  return prefix;
}
