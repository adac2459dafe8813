/** The forms that the store has had, and how each becomes the next. */
import { takeOverLedger } from "../custody/home/former-rows.ts";
import type { Logger, Random, Store } from "../ports.ts";
import { type FormatStep, openFormat } from "../storage/store-format.ts";

/** What the steps need to know. */
export interface StoreFormOptions {
  readonly origin: string;
  readonly random: Random;
  readonly logger: Logger;
}

/** Each makes the step to the next form; the first leads to the second. */
const STEPS: readonly ((options: StoreFormOptions) => FormatStep)[] = [
  (options) => (store) => takeOverLedger({ ...options, store }),
];

/**
 * Brings the store to the present form.
 *
 * @throws FederationError `ERR_FED_STORE_NEWER`, `ERR_FED_STORE_UNAVAILABLE`.
 */
export function openStoreForm(store: Store, options: StoreFormOptions): Promise<void> {
  return openFormat(store, { steps: STEPS.map((step) => step(options)) });
}

/** As {@link openStoreForm}, beside a server that may run: nothing is changed. */
export function checkStoreForm(store: Store): Promise<void> {
  return openFormat(store, { readOnly: true, steps: STEPS.map(() => () => Promise.resolve()) });
}
