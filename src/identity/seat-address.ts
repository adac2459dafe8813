/**
 * Where a client takes a seat that is not on its server's origin (PROTOCOL 7): the destination's word,
 * since the reservation reaches the client through another server.
 */
import { signJws } from "./jws.ts";
import type { SigningKey } from "./server-keys.ts";

const SEAT_TYPE = "aether-seat+jwt";

/** What a destination vouches for. */
export interface SeatAddress {
  /** The destination's origin. */
  readonly iss: string;
  /** The reservation's session id. */
  readonly sid: string;
  /** The reservation's `publicAddress`, to the letter. */
  readonly address: string;
}

/** Signs where a seat is taken; clients verify it by the keys of the issuer's descriptor. */
export function signSeatAddress(claims: SeatAddress, key: SigningKey): Promise<string> {
  return signJws(claims, SEAT_TYPE, key);
}
