// A tab that is not connected itself: it hears from the leader what the leader hears.
//
// Every event comes with the cursor of the one before it. So a tab that was frozen, and missed
// some, notices, and reads them from the club's log itself.
import { isAfter } from "./cursor.js";
import { ApiError } from "./http.js";

export class Follower {
  #options;
  #filling = null; // what came while a gap is being filled
  #numbers = 0;
  #waiting = new Map();
  #tab = Math.random().toString(36).slice(2);

  /**
   * @param {object} options
   * @param {(message: object) => void} options.send
   * @param {import("./inbox.js").Inbox} options.inbox
   * @param {(after: string) => Promise<{events: object[], cursor: string, resync: boolean}>} options.read the log
   * @param {number} options.ackMs
   */
  constructor(options) {
    this.#options = options;
  }

  /** Ask the leader where everything stands; it answers with `fresh`. */
  hello() {
    this.#options.send({ type: "hello", tab: this.#tab });
  }

  isFor({ tab }) {
    return tab === undefined || tab === this.#tab;
  }

  /** Following begins anew: a gap before it need not be filled. */
  forget() {
    this.#filling = null;
  }

  /** An event as the leader sent it, with `before`, the cursor of the one before it. */
  take(sent) {
    const { inbox } = this.#options;
    // Not begun yet: what the snapshot knows need not be heard.
    if (inbox.cursor === null) return;
    if (this.#filling) this.#filling.push(sent);
    else if (sent.before && isAfter(sent.before, inbox.cursor)) this.#fill(sent);
    else inbox.take(sent.message);
  }

  async #fill(sent) {
    const { inbox, read } = this.#options;
    const filling = (this.#filling = [sent]);
    try {
      while (isAfter(sent.before, inbox.cursor)) {
        const page = await read(inbox.cursor);
        if (this.#filling !== filling) return;
        if (page.resync) return this.#beginAnew();
        for (const event of page.events) inbox.take(event);
        inbox.advance(page.cursor);
      }
    } catch {
      if (this.#filling === filling) this.#beginAnew();
      return;
    }
    this.#filling = null;
    // Among these there may be a gap again.
    for (const held of filling) this.take(held);
  }

  /** The leader knows the last snapshot; from there on it is complete again. */
  #beginAnew() {
    this.forget();
    this.#options.inbox.forget();
    this.hello();
  }

  /** The ack of a command, by way of the leader; null if it has no socket. Raises: ApiError. */
  ask(command, data) {
    const number = ++this.#numbers;
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(number);
        settle(value);
      };
      const giveUp = () => done(reject, new ApiError(0, { error: "No acknowledgement came." }));
      // The leader waits for the ack; this is for one that is no more.
      const timer = setTimeout(giveUp, 2 * this.#options.ackMs);
      this.#waiting.set(number, { giveUp, answer: (value) => done(resolve, value) });
      this.#options.send({ type: "ask", tab: this.#tab, number, command, data });
    });
  }

  answered({ number, answer }) {
    this.#waiting.get(number)?.answer(answer);
  }

  /** Another tab leads from now on, or this one; the old one answers no more. */
  leaderChanged() {
    for (const { giveUp } of [...this.#waiting.values()]) giveUp();
  }
}
