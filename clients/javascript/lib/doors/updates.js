// The event log by long-polling, for where sockets are switched off or blocked. Needs nothing
// but fetch: GET /api/updates?after=<cursor>&wait=<seconds>.
import { pause } from "../backoff.js";
import { ApiError } from "../http.js";

// Below this a network that ends long requests is not worth being polled more gently.
const SHORTEST_WAIT_MS = 2_000;
// Between a poll that was refused and the next.
const PAUSE_MS = 250;

export class UpdatesDoor {
  #options;
  #closed = false;
  #asking = new AbortController();
  #asksAnew = false;
  #waitMs;
  via = "updates";
  tellsCursors = true;
  isContinuous = true;
  offersWebSocket = true;

  /**
   * @param {object} options
   * @param {(path: string, options: object) => Promise<any>} options.get
   * @param {import("../inbox.js").Inbox} options.inbox
   * @param {number} options.pollMs
   * @param {number} options.requestMs
   * @param {(message: object, door: UpdatesDoor) => void} options.onEvent
   * @param {(door: UpdatesDoor, error: Error) => void} options.onDown
   */
  constructor(options) {
    this.#options = options;
    this.#waitMs = options.pollMs;
  }

  /** Ask once, without waiting. Raises: ApiError. */
  async open() {
    await this.#poll(0);
  }

  /** Follow the log until closed. */
  async run() {
    while (!this.#closed) {
      try {
        await this.#poll(this.#waitMs);
      } catch (refused) {
        if (this.#asksAnew) continue;
        // Some proxies end what takes long, and a server may have too many who wait. A short one
        // tells whether more is wrong.
        this.#waitMs = Math.max(SHORTEST_WAIT_MS, this.#waitMs / 2);
        await pause(refused.retryAfterS * 1000 || PAUSE_MS);
        if (this.#closed) return;
        try {
          await this.#poll(0);
        } catch (error) {
          if (this.#asksAnew) continue;
          if (this.#closed) return;
          this.close();
          this.#options.onDown(this, error);
        }
      }
    }
  }

  async #poll(waitMs) {
    const { get, inbox, requestMs, onEvent } = this.#options;
    this.#asksAnew = false;
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    if (inbox.cursor === null) await inbox.resync();
    const after = encodeURIComponent(inbox.cursor);
    let answer;
    try {
      answer = await get(`/api/updates?after=${after}&wait=${waitMs / 1000}`, {
        signal,
        // A wait that the network swallowed must not look like silence for ever.
        timeoutMs: waitMs + requestMs,
      });
    } catch (error) {
      // A cursor that this server cannot read.
      if (!(error instanceof ApiError) || error.code !== "bad_cursor") throw error;
      answer = { resync: true };
    }
    if (this.#closed) return;
    if (answer.resync) {
      await inbox.resync();
      return;
    }
    for (const { event, data, cursor } of answer.events) {
      onEvent({ event, data, cursor: EPHEMERAL.has(event) ? null : cursor }, this);
    }
    if (!this.#closed) inbox.advance(answer.cursor);
  }

  /** A poll that waits does so with the token of its beginning. */
  askAnew() {
    this.#asksAnew = true;
    this.#asking.abort();
  }

  close() {
    this.#closed = true;
    this.#asking.abort();
  }
}

// These come with the cursor that the poll stood at; they are not in the log.
const EPHEMERAL = new Set(["auth:expired", "server:draining"]);
