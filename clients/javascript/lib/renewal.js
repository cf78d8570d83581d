// Renews the token before it expires.

// setTimeout overflows at 2^31 ms; an hour is safe and cheap.
const LONGEST_TIMER_MS = 3_600_000;

export class Renewal {
  #session;
  #retryMs;
  #timer;
  #renewing = null;
  #renewedAt = 0;

  constructor(session, retryMs) {
    this.#session = session;
    this.#retryMs = retryMs;
  }

  /** To be called for every new token, and after the machine slept: timers stand still then. */
  plan(atLeastMs = 0) {
    clearTimeout(this.#timer);
    const expires = Date.parse(this.#session.now.expiresAt);
    if (!expires || !this.#session.now.token) return;
    const left = expires - Date.now();
    // A fifth of what is left, at most a minute, is kept for retries.
    const due = Math.max(left - Math.min(60_000, left / 5), atLeastMs);
    this.#timer = setTimeout(
      () => (due > LONGEST_TIMER_MS ? this.plan() : this.now()),
      Math.min(due, LONGEST_TIMER_MS),
    );
  }

  /** Renew at once. Gives whether somebody is signed in; undefined if that is not known. */
  now() {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** After a door refused the token. One that is new and still refused is not asked about again at once. */
  async afterRefusal() {
    if (Date.now() - this.#renewedAt > this.#retryMs) await this.now();
  }

  async #renew() {
    this.#renewedAt = Date.now();
    try {
      return await this.#session.renew();
    } catch {
      this.plan(this.#retryMs);
      return undefined;
    }
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
