/**
 * What the parts that are loaded later use of those that are there already. It is handed to them, not imported: what
 * two parts import is a third one to a bundler, and a page would load more for it at once.
 */
import nacl from "tweetnacl/nacl.js";
import { shownText } from "../words.ts";
import { decodeBase64Url, decodeJson, encodeBase64Url, encodeJson } from "./base64url.ts";
import { byTheRightTime } from "./connections.ts";
import { codeAndSentence } from "./ending.ts";
import { isCount, isOrigin, isText, members, parseTransit } from "./messages.ts";
import { within } from "./patience.ts";
import { proofBy, thumbprintOf } from "./player-key.ts";
import { storageOf } from "./storage.ts";
import { VISIT } from "./visit.ts";

/** All of it. */
export const KIT = {
  nacl,
  shownText,
  decodeBase64Url,
  decodeJson,
  encodeBase64Url,
  encodeJson,
  byTheRightTime,
  codeAndSentence,
  isCount,
  isOrigin,
  isText,
  members,
  parseTransit,
  within,
  proofBy,
  thumbprintOf,
  storageOf,
  VISIT,
};

/** Its type. */
export type Kit = typeof KIT;
