// Where every door leads: events pass in the order of the log, each once, whatever brought them.
import { isAfter } from "./cursor.js";

// What may wait for a snapshot; with more, a newer snapshot is the shorter way.
const HELD_AT_MOST = 10_000;

export class Inbox {
  /** Everything up to here has been told; null: not known. @type {string | null} */
  cursor = null;
  #held = null;
  #tooMany = false;
  #options;

  /**
   * @param {object} options
   * @param {(message: {event: string, data: any, cursor: string | null}) => void} options.tell
   * @param {() => Promise<string>} options.load the snapshot; gives its cursor
   * @param {() => void} options.fresh the snapshot stands, what follows it comes next
   */
  constructor(options) {
    this.#options = options;
  }

  /** An event without a cursor is ephemeral: it passes as it comes. */
  take(message) {
    if (this.#held) return this.#hold(message);
    if (message.cursor) {
      if (!isAfter(message.cursor, this.cursor)) return;
      this.cursor = message.cursor;
    }
    this.#options.tell(message);
  }

  #hold(message) {
    if (this.#held.length === HELD_AT_MOST) {
      this.#held.length = 0;
      this.#tooMany = true;
    }
    this.#held.push(message);
  }

  /** A door says that nothing for us stands between our cursor and this one. */
  advance(cursor) {
    if (!this.#held && isAfter(cursor, this.cursor)) this.cursor = cursor;
  }

  /**
   * Begin anew from a snapshot; what comes meanwhile waits for it. Gives false if it was
   * forgotten meanwhile. Raises: what `load` raises; the cursor is then not known.
   */
  async resync() {
    const held = (this.#held = []);
    this.cursor = null;
    let cursor;
    try {
      do {
        this.#tooMany = false;
        cursor = await this.#options.load();
        if (this.#held !== held) return false;
      } while (this.#tooMany);
    } catch (error) {
      if (this.#held === held) this.forget();
      throw error;
    }
    this.begin(cursor);
    for (const message of held) this.take(message);
    return true;
  }

  /** Follow the log from this snapshot on. */
  begin(cursor) {
    this.#held = null;
    this.cursor = cursor;
    this.#options.fresh();
  }

  /** Nothing is known any more, and a snapshot on its way is of no use. */
  forget() {
    this.#held = null;
    this.cursor = null;
  }
}
