/** The player's home page lets a key of another page take one seat, after home has said that the crossing is open. */
import type { Identity } from "../identity.ts";
import type { Whereabouts } from "../whereabouts.ts";
import { type Confirm, consents } from "./consent.ts";
import { type Ask, withFragment } from "./fragments.ts";
import { untilLapse } from "./go-on.ts";
import { isSamePage } from "./page.ts";
import { kit } from "../later/kit.ts";

const ASK_MILLISECONDS = 12_000;

/** A crossing, by home's ledger. */
interface OpenCrossing {
  /** Origins. */
  readonly to: string;
  readonly from: string;
  readonly world: string;
}

/**
 * The address to send the browser to, with the delegation in its fragment: that of the destination's own page, by
 * the destination's own word.
 *
 * @throws Error whose message begins with the code: nothing is signed.
 */
export async function grant(
  ask: Ask,
  identity: Identity,
  whereabouts: Whereabouts,
  confirm: Confirm,
): Promise<string> {
  const { to, transferId, sid: seat, jwk, returnTo, state } = ask;
  const { key, home } = identity;
  if (key?.delegate === undefined) throw failed("There is no key of the player's here.");
  const crossing = await openCrossing(transferId, identity, whereabouts);
  if (crossing.to !== to) throw failed("The page that asks is of another server than you go to.");
  const { signal } = new AbortController();
  const page = await whereabouts.pageOf(to, crossing.world, signal);
  const isDestinations = page !== undefined && isSamePage(page, returnTo);
  if (!isDestinations) throw failed("The page that asks is not the other server's own.");
  const { from, world } = crossing;
  const isOnward = from !== home && to !== home;
  const ahead = { from, to, world, page, signal: untilLapse(ask) };
  if (to === home || !(await consents(confirm, isOnward, ahead))) {
    throw new Error("ERR_FED_CROSSING_ABANDONED: You stay.");
  }
  const jkt = await kit.thumbprintOf(jwk);
  const delegation = await key.delegate(
    { audience: to, seat, transferId, jkt },
    identity.timeOf(home),
  );
  return withFragment(page, { kind: "granted", delegation, state });
}

/** `POST {endpoint}/hand-over` (PROTOCOL 8). */
function openCrossing(
  transferId: string,
  identity: Identity,
  whereabouts: Whereabouts,
): Promise<OpenCrossing> {
  return kit.within(ASK_MILLISECONDS, undefined, async (signal) => {
    await identity.findHome(whereabouts, signal);
    const { home } = identity;
    const endpoint = await whereabouts.endpointOf(home, signal);
    return kit.byTheRightTime(identity, home, async () => {
      const { bearer, proof } = await identity.shows("hand-over");
      const response = await fetch(`${endpoint}/hand-over`, {
        method: "POST",
        signal,
        headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
        body: JSON.stringify({ transferId, ...(proof === undefined ? {} : { proof }) }),
      });
      const { to, from, world, code, detail } = kit.members(await response.json());
      if (response.ok && kit.isOrigin(to) && kit.isOrigin(from) && kit.isText(world))
        return { to, from, world };
      const why = typeof code === "string" ? code : "ERR_FED_UNAVAILABLE";
      throw new Error(`${why}: ${kit.shownText(detail, 300) ?? "try again"}`);
    });
  });
}

function failed(sentence: string): Error {
  return new Error(`ERR_FED_HAND_OVER_FAILED: ${sentence}`);
}
