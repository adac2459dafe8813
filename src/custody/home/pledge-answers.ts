/** What home answers to `pledge` and `unpledge` (PROTOCOL 6): an addition that a peer may lack. */
import type { Clock } from "../../ports.ts";
import type { HomeAnswer } from "../shared/home.ts";
import type { PledgeAnswer, PledgeRequest } from "../shared/messages.ts";
import type { CustodyLedger } from "./ledger.ts";
import { pledge, unpledge } from "./pledge-row.ts";
import type { TransferIndex } from "./transfer-index.ts";

/** Options of {@link PledgeAnswers}. */
export interface PledgeAnswersOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly ledger: CustodyLedger;
  readonly transfers: TransferIndex;
  readonly clock: Clock;
}

/** Home's side of the two calls by which a destination has all members of a party, or none. */
export class PledgeAnswers {
  readonly #options: PledgeAnswersOptions;

  constructor(options: PledgeAnswersOptions) {
    this.#options = options;
  }

  /** Rule 14: until the pledge is over, nobody takes the player back. Durable before it is answered. */
  async pledge(by: string, request: PledgeRequest): Promise<HomeAnswer<PledgeAnswer>> {
    const { origin, ledger, transfers, clock } = this.#options;
    const localId = await transfers.playerOf(request.transferId);
    if (localId === undefined) {
      return { ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason: "no such transfer" };
    }
    const decision = await ledger.decide(localId, undefined, (row) =>
      pledge(row, by, origin, request, Math.floor(clock.now() / 1000)),
    );
    if (!decision.ok) return decision;
    const { name, transfer } = decision.row;
    const left = (transfer?.pledge?.until ?? 0) - clock.now() / 1000;
    const player = `${localId}@${new URL(origin).host}`;
    return { ok: true, body: { player, name, pledgeSeconds: Math.max(0, left) } };
  }

  /** Rule 15: the source's `cancel` works again. Also answered where there is nothing to end. */
  async unpledge(by: string, request: PledgeRequest): Promise<HomeAnswer<object>> {
    const { ledger, transfers } = this.#options;
    const localId = await transfers.playerOf(request.transferId);
    if (localId === undefined) return { ok: true, body: {} };
    const decision = await ledger.decide(localId, undefined, (row) => unpledge(row, by, request));
    return decision.ok ? { ok: true, body: {} } : decision;
  }
}
