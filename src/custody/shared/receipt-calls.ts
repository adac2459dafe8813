/** How a home is asked for receipts: many at once where it knows how, one by one otherwise (PROTOCOL 6). */
import type { Home, HomeAnswer } from "./home.ts";
import { MAX_RECEIPTS, type ReceiptAnswer, type ReceiptRequest } from "./messages.ts";

/** Characters of words in one call, whose body is 64 KiB at most. */
const MAX_WORD_CHARACTERS = 48 * 1024;

/** As good as no answer: home may be asked again. */
const UNANSWERED = {
  ok: false,
  code: "ERR_FED_UNREACHABLE",
  reason: "home has not answered",
} as const;

/** Home's answers to `requests`, in their order. Never rejects. `together`: whether it has `RECEIPTS_CAPABILITY`. */
export async function askForReceipts(
  home: Home,
  requests: readonly ReceiptRequest[],
  together: boolean,
): Promise<readonly HomeAnswer<ReceiptAnswer>[]> {
  if (!together) return askOneByOne(home, requests);
  const answers: HomeAnswer<ReceiptAnswer>[] = [];
  for (const some of chunksOf(requests)) answers.push(...(await askTogether(home, some)));
  return answers;
}

function askOneByOne(
  home: Home,
  requests: readonly ReceiptRequest[],
): Promise<readonly HomeAnswer<ReceiptAnswer>[]> {
  return Promise.all(requests.map((request) => home.receipt(request).catch(() => UNANSWERED)));
}

async function askTogether(
  home: Home,
  crossings: ReceiptRequest[],
): Promise<readonly HomeAnswer<ReceiptAnswer>[]> {
  const answer = await home.receipts({ crossings }).catch(() => UNANSWERED);
  if (!answer.ok) {
    // It has lost the addition since it said that it has it.
    const isLost = answer.code === "ERR_FED_NOT_FOUND";
    return isLost ? askOneByOne(home, crossings) : crossings.map(() => answer);
  }
  const byTransfer = new Map<string, HomeAnswer<ReceiptAnswer>>();
  for (const { transferId, code } of answer.body.refused) {
    byTransfer.set(transferId.toLowerCase(), { ok: false, code, reason: code });
  }
  for (const { transferId, ...body } of answer.body.receipts) {
    byTransfer.set(transferId.toLowerCase(), { ok: true, body });
  }
  return crossings.map(({ transferId }) => byTransfer.get(transferId.toLowerCase()) ?? UNANSWERED);
}

/** As many as one call takes. */
function chunksOf(requests: readonly ReceiptRequest[]): ReceiptRequest[][] {
  const chunks: ReceiptRequest[][] = [];
  let characters = 0;
  for (const request of requests) {
    const length = request.countersignature?.length ?? 0;
    characters += length;
    const last = chunks.at(-1);
    if (last === undefined || last.length === MAX_RECEIPTS || characters > MAX_WORD_CHARACTERS) {
      chunks.push([request]);
      characters = length;
    } else {
      last.push(request);
    }
  }
  return chunks;
}
