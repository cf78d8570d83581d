// Waiting before another attempt.

/** Exponential and jittered: equal to no other client's, so that a restart is not followed by a stampede. */
export class Backoff {
  #firstMs;
  #capMs;
  #attempt = 0;

  constructor([firstMs, capMs]) {
    this.#firstMs = firstMs;
    this.#capMs = capMs;
  }

  /** Milliseconds before the next attempt. */
  next() {
    const ceiling = Math.min(this.#capMs, this.#firstMs * 2 ** this.#attempt++);
    const floor = this.#firstMs / 4;
    return floor + Math.random() * (ceiling - floor);
  }

  reset() {
    this.#attempt = 0;
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
