/** After a claim: the source lets go. One that is not told learns it from `cancel` or `lost`. */
import type { Logger } from "../../ports.ts";
import type { PeerCalls } from "../../ports.ts";
import { type Siblings, askTo } from "../shared/siblings.ts";
import type { LedgerDecision } from "./ledger.ts";

/** What telling needs. */
export interface TellSourceOptions {
  readonly origin: string;
  readonly peers: PeerCalls;
  readonly siblings: Siblings | undefined;
  readonly logger: Logger;
  /** Where home itself is the source, in this process. */
  readonly departedHere: (player: string, transferId: string) => Promise<unknown>;
}

const TRIES = 4;

/** Tells the source of a claimed transfer, without anybody waiting for it. */
export function tellSource(
  { origin, peers, siblings, logger, departedHere }: TellSourceOptions,
  { before, after, localId }: LedgerDecision,
): void {
  const transfer = before.transfer;
  if (transfer === undefined || transfer.from === after.holder) return;
  const player = `${localId}@${new URL(origin).host}`;
  if (transfer.from === origin) {
    const departed = { kind: "departed", player, transferId: transfer.id } as const;
    const tellHere = async (): Promise<void> => {
      const word = await askTo(siblings, before.life, departed);
      if (word === undefined) await departedHere(player, transfer.id);
    };
    // A process that does not hear of it learns it when it asks for the player back.
    tellHere().catch(() => undefined);
    return;
  }
  const tell = async (tries: number): Promise<void> => {
    try {
      await peers.call(transfer.from, "/custody/departed", {
        transferId: transfer.id,
        player,
        epoch: before.epoch,
      });
    } catch (cause) {
      if (tries < TRIES) return tell(tries + 1);
      logger.debug(
        `${transfer.from} was not told that ${player} departed: ${cause instanceof Error ? cause.message : "unknown"}`,
        { peer: transfer.from, player },
      );
    }
  };
  void tell(1);
}
