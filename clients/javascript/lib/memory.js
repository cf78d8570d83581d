// What the browser keeps for times without a connection: IndexedDB, or this page's own memory
// where that is missing or refused.

const STORE = "kept";

export class Memory {
  #name;
  #database;
  #plain = new Map();
  #writing = new Map();

  constructor(name) {
    this.#name = name;
  }

  get = (key) => this.#do("readonly", (store) => store.get(key), () => this.#plain.get(key));

  /** A value that structured cloning can copy. */
  set = (key, value) => this.#do("readwrite", (store) => store.put(value, key), () => void this.#plain.set(key, value));

  /** As `set`, at once, for what changes often: while one value is written, only the newest waits. */
  keep(key, value) {
    const writing = this.#writing.get(key);
    if (writing) {
      writing.next = { value };
      return writing.done;
    }
    const begun = { next: { value } };
    this.#writing.set(key, begun);
    return (begun.done = this.#writeAll(key, begun));
  }

  async #writeAll(key, begun) {
    try {
      while (begun.next) {
        const { value } = begun.next;
        begun.next = null;
        await this.set(key, value);
      }
    } finally {
      this.#writing.delete(key);
    }
  }

  delete = (key) => this.#do("readwrite", (store) => store.delete(key), () => void this.#plain.delete(key));

  /** Keys that begin so, in order. @returns {Promise<string[]>} */
  async keys(prefix) {
    const all = await this.#do("readonly", (store) => store.getAllKeys(), () => [...this.#plain.keys()]);
    return all.filter((key) => key.startsWith(prefix)).sort();
  }

  /** Forget what begins so, also what is only about to be written. */
  clear(prefix) {
    for (const [key, writing] of this.#writing) if (key.startsWith(prefix)) writing.next = null;
    return this.#do(
      "readwrite",
      (store) => store.delete(IDBKeyRange.bound(prefix, `${prefix}\uffff`)),
      () => [...this.#plain.keys()].filter((key) => key.startsWith(prefix)).forEach((key) => this.#plain.delete(key)),
    );
  }

  async #do(mode, operate, plain) {
    const database = await (this.#database ??= open(this.#name));
    if (!database) return plain();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const asked = operate(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

function open(name) {
  return new Promise((resolve) => {
    let opening;
    try {
      opening = indexedDB.open(name, 1);
    } catch {
      return resolve(null);
    }
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => resolve(null);
  });
}
