/** `POST {endpoint}/player/keys` and `federation:keep` (PROTOCOL 8): a player of this home and its keys. */
import type { PlayerKeysRequest } from "../http/inbound/player-keys.ts";
import type { Verdict } from "../http/inbound/answers.ts";
import { verifyDevice } from "../identity/device.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { letsAnybodyIn } from "./auth-hooks.ts";
import type { Logins } from "./logins.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";
import type { RoomPlayer } from "./room-sessions.ts";

/** What the keys of players are asked of. */
interface KeyParts {
  readonly runtime: FederationRuntime;
  readonly logins: Logins;
}

/** Lists, adds or removes keys of the player who proves one of them. */
export async function playerKeys(
  { runtime, logins }: KeyParts,
  { token, add, leaveBehind, remove }: PlayerKeysRequest,
): Promise<Verdict> {
  const proof = await logins.proof(token, "keys");
  if ("ok" in proof) return proof;
  if (!(await letsAnybodyIn())) {
    return refusal("ERR_FED_JOIN_REFUSED", "players have accounts here: their keys are nobody");
  }
  const player = await logins.byKey(proof.jkt);
  if ("ok" in player) return player;
  const used = await logins.useProof(proof);
  if (used !== undefined) return used;
  const { keys } = logins;
  const { id } = player;
  const { custody, clock, options } = runtime;
  if (add !== undefined) {
    const now = clock.now();
    const device = verifyDevice(add, { audience: options.origin, now });
    if (!device.verified) return refusal(device.code, device.reason);
    const isNew = !(await keys.of(id)).some(({ jkt }) => jkt === device.jkt);
    if (isNew && leaveBehind !== true) {
      const own = await keys.playerOf(device.jkt);
      if (own !== undefined && own !== id && (await custody.ledger.row(own)) !== undefined) {
        const reason =
          "this device has played here already, as somebody of its own: what that player has would be out of reach";
        return refusal("ERR_FED_KEY_IN_USE", reason);
      }
    }
    const { jkt, name } = device;
    const addedAt = Math.floor(now / 1000);
    const refused = await keys.add(id, { jkt, name, addedAt }, proof.jkt);
    if (refused !== undefined) return refusal(refused.code, refused.reason);
    options.logger.info(`${id} has added a device`, { player: logins.player(id, undefined).id });
  }
  if (remove !== undefined) {
    const refused = await keys.remove(id, remove, proof.jkt);
    if (refused !== undefined) return refusal(refused.code, refused.reason);
    options.logger.info(`${id} has removed a device`, { player: logins.player(id, undefined).id });
    // Whoever has the device plays on, otherwise, until it leaves.
    if ((await custody.ledger.row(id))?.jkt === remove) {
      await custody.signOut(id, "ERR_FED_KEY_REMOVED", "This device was removed from your player.");
    }
  }
  const all = await keys.of(id);
  return {
    ok: true,
    body: {
      player: logins.player(id, undefined).id,
      keys: all.map((key) => ({ ...key, current: key.jkt === proof.jkt })),
    },
  };
}

/**
 * Makes a guest in a room of its home a player who can come back: the one whom this key is. Nothing changes for one
 * that has a key already.
 */
export async function keepGuest(
  { runtime, logins }: KeyParts,
  entry: RoomPlayer,
  token: unknown,
): Promise<{ readonly ok: true } | JoinRefusal> {
  const { session } = entry;
  if (session === undefined || !session.atHome || session.ended) {
    return refusal("ERR_FED_NOT_HOME", "a player gets a key at home: go there first");
  }
  if (!session.guest) return { ok: true };
  const proof = await logins.proof(String(token), "keys");
  if ("ok" in proof) return proof;
  const used = await logins.useProof(proof);
  if (used !== undefined) return used;
  const { jkt } = proof;
  const { custody, clock } = runtime;
  const own = await logins.byKey(jkt);
  if ("ok" in own) return own;
  const localId = custody.ledger.localId(session.player) ?? "";
  if (own.id !== localId && (await custody.ledger.row(own.id)) !== undefined) {
    return refusal("ERR_FED_KEY_IN_USE", "this key is a player here already");
  }
  const addedAt = Math.floor(clock.now() / 1000);
  // Before the player is one who stays: what it has must never be where no key leads.
  const refused = await logins.keys.add(localId, { jkt, addedAt }, undefined);
  if (refused !== undefined) return refusal(refused.code, refused.reason);
  return (await custody.keepGuest(session, jkt))
    ? { ok: true }
    : refusal("ERR_FED_CROSSING_BUSY", "you are on your way: ask again once you are there");
}
