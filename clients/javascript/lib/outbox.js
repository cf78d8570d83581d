// What the member did while there was no connection, kept until it can be done. Only for what
// carries an Idempotency-Key: the server does it once, however often it is asked.
import { ApiError } from "./http.js";

const PREFIX = "queue:";

export class Outbox {
  #options;
  #timer;
  #flushing = null;
  #again = false;
  #last = 0;

  /**
   * @param {object} options
   * @param {string} options.name of the lock, so that one tab at a time sends
   * @param {import("./memory.js").Memory} options.memory
   * @param {number} options.limit entries
   * @param {number} options.maxAgeMs
   * @param {() => number | undefined} options.userId
   * @param {(method: string, path: string, options: object) => Promise<any>} options.ask
   * @param {(result: import("../index.d.ts").QueueResult) => void} options.onResult
   */
  constructor(options) {
    this.#options = options;
  }

  /** Keep it. `at` is when it was first tried. Raises: ApiError `queue_full`. */
  async add({ path, body, key, at }) {
    const { memory, limit, userId } = this.#options;
    if ((await memory.keys(PREFIX)).length >= limit) {
      throw new ApiError(0, { code: "queue_full", error: "Too much is waiting for the connection already." });
    }
    // In the order of its making, also within one millisecond.
    this.#last = Math.max(this.#last + 1, at);
    const name = `${PREFIX}${String(this.#last).padStart(16, "0")}:${key}`;
    await memory.set(name, { path, body, key, at, userId: userId() });
    return { queued: true, key };
  }

  /** What waits for this member, oldest first. */
  async list() {
    return (await this.#entries()).map(({ entry: { path, body, key, at } }) => ({ path, body, key, at }));
  }

  /** Whose they are is settled at the call: they may be signed out before it is done. */
  async #entries(userId = this.#options.userId()) {
    const { memory } = this.#options;
    const names = await memory.keys(PREFIX);
    const all = await Promise.all(names.map(async (name) => ({ name, entry: await memory.get(name) })));
    return all.filter(({ entry }) => entry && entry.userId === userId);
  }

  /** Send what waits: a call while it is being sent makes it look again afterwards. */
  flush() {
    this.#again = true;
    this.#flushing ??= this.#locked(() => this.#sendAll()).finally(() => (this.#flushing = null));
    return this.#flushing;
  }

  #locked(work) {
    const locks = globalThis.navigator?.locks;
    return locks ? locks.request(this.#options.name, work) : work();
  }

  async #sendAll() {
    while (this.#again) {
      this.#again = false;
      await this.#send();
    }
  }

  async #send() {
    clearTimeout(this.#timer);
    const { memory, ask, onResult, maxAgeMs } = this.#options;
    for (const { name, entry } of await this.#entries()) {
      const { path, body, key, at } = entry;
      const age = Date.now() - at;
      let result;
      if (age > maxAgeMs || age < 0) {
        // The server forgets keys: what is older might be done a second time. Nor can a clock that
        // was set back tell how old it is.
        result = { error: new ApiError(0, { code: "queue_expired", error: "It waited too long and was not sent." }) };
      } else {
        try {
          result = { answer: await ask("POST", path, { body, key }) };
        } catch (error) {
          if (error.isUndecided) return this.#later(error.retryAfterS);
          // Not a word on the action itself: it waits for the member to sign in again.
          if (error.status === 401) return;
          result = { error };
        }
      }
      await memory.delete(name);
      onResult({ path, body, key, ...result });
    }
  }

  /** While the connection stands nobody else would say when. */
  #later(retryAfterS) {
    this.#timer = setTimeout(() => this.flush(), (retryAfterS || 5) * 1000);
  }

  /** The member leaves: nothing of theirs stays. */
  async clear() {
    for (const { name } of await this.#entries()) await this.#options.memory.delete(name);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
