/** One store of the browser's database (IndexedDB), where keys lie that no script can read. */

/** Where it is. */
export interface StorePlace {
  /** Name of the database, whose only store it is. */
  readonly database: string;
  /** Its name; entries have their `id` as key. */
  readonly store: string;
  /** Whether what is written has to outlive a loss of power: `strict`. */
  readonly durability: IDBTransactionDurability;
}

/** A database that says nothing for longer is none. */
const ANSWER_MILLISECONDS = 5_000;

/**
 * Runs `work` on that store, which is made where there is none. Resolves once what it has written is committed.
 *
 * @throws Error where there is no IndexedDB, where it refuses, and where it has not answered for 5 s: what was to be
 * written may come to be written all the same.
 */
export function inStore<Result>(
  place: StorePlace,
  mode: IDBTransactionMode,
  work: (entries: IDBObjectStore) => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error("IndexedDB does not answer"));
    }, ANSWER_MILLISECONDS);
    committed(place, mode, work)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
      });
  });
}

/** What a request has come to. */
export function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? refused());
    };
  });
}

async function committed<Result>(
  { database: name, store, durability }: StorePlace,
  mode: IDBTransactionMode,
  work: (entries: IDBObjectStore) => Promise<Result>,
): Promise<Result> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(store, { keyPath: "id" });
  };
  const database = await settled(opening);
  try {
    const transaction = database.transaction(store, mode, { durability });
    const [result] = await Promise.all([work(transaction.objectStore(store)), ended(transaction)]);
    return result;
  } finally {
    database.close();
  }
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => {
      resolve();
    };
    transaction.onabort = () => {
      reject(transaction.error ?? refused());
    };
  });
}

function refused(): Error {
  return new Error("IndexedDB refuses");
}
