/** `POST {endpoint}/travel` (PROTOCOL 8): a player goes through a portal without being in a room. */
import { orderedId } from "../custody/shared/ordered-id.ts";
import type { PlayerBody } from "../custody/shared/player-session.ts";
import type { TravelAnswer, TravelRequest } from "../http/inbound/travel.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { Departures } from "./departures.ts";
import { type Logins, cleanName } from "./logins.ts";
import { refusal } from "./refusal.ts";

/** A home login, then a crossing that starts from nowhere. */
export async function travelWithoutRoom(
  {
    runtime,
    logins,
    departures,
  }: {
    readonly runtime: FederationRuntime;
    readonly logins: Logins;
    readonly departures: Departures;
  },
  { token, proof, to, name }: TravelRequest,
): Promise<TravelAnswer> {
  const found = departures.destination(to);
  if (!found.ok) return found;
  const { origin, world, options, local } = found.destination;
  const { skipped } = found;
  const next = found.next.filter((way) => !way.local).map((way) => ({ ...way, uri: to }));
  if (local) {
    return refusal("ERR_FED_NO_ROUTE", "this is the player's home: join one of its rooms");
  }
  const who = await logins.traveller(token, proof);
  if (!who.ok) return who;
  const { custody } = runtime;
  return new Promise((resolve) => {
    const body: PlayerBody = {
      // Nobody plays it here, so a crossing that fails ends the session.
      connected: false,
      carry: () => undefined,
      setFrozen: () => undefined,
      transit: (message) => {
        resolve({ ok: true, body: message });
      },
      failed: ({ code, message }) => {
        resolve(refusal(code, message));
      },
      undecided: ({ code, message }) => {
        resolve(refusal(code, message));
      },
      end: () => undefined,
    };
    const known = { name: who.name ?? cleanName(name), jkt: who.jkt, guest: false };
    const go = async (): Promise<void> => {
      const login = await custody.login(who.localId, known, body);
      if (!login.ok) {
        resolve(refusal(login.code, login.reason));
        return;
      }
      const { session } = login;
      const destination = { uri: to, origin, world, options };
      const outcome = await custody.crossings.cross(
        session,
        destination,
        orderedId(runtime.random, runtime.clock),
        {
          ...{ next, skipped },
        },
      );
      if (outcome.kind === "stayed") resolve(refusal(outcome.code, outcome.message));
      await custody.leave(session, undefined);
    };
    go().catch((cause: unknown) => {
      runtime.options.logger.error(`travelling to ${to} failed`, cause);
      resolve(refusal("ERR_FED_UNAVAILABLE", "this server cannot do that right now"));
    });
  });
}
