// What the page shows of the connection.

/**
 * The state in words: `online via websocket`, `reconnecting in 3 s`, `offline`.
 *
 * @param {import("../index.d.ts").State} state
 */
export function describe({ state, via, retryAt }, now = Date.now()) {
  if (state === "online") return `online via ${via}`;
  if (state === "offline") return "offline";
  return retryAt > now ? `reconnecting in ${Math.ceil((retryAt - now) / 1000)} s` : "reconnecting";
}

/** Whether the browser itself says that there is no network. */
const isCut = () => globalThis.navigator?.onLine === false;

/** Turns "up by …" and "down, next attempt at …" into the state, and `reconnecting` into `offline` in time. */
export class Indicator {
  #offlineMs;
  #onState;
  #downSince = Date.now();
  #timer;
  #down = { retryAt: 0 };
  state = { state: "reconnecting", via: "", retryAt: 0 };

  constructor(offlineMs, onState) {
    this.#offlineMs = offlineMs;
    this.#onState = onState;
  }

  up(via) {
    this.#show({ state: "online", via, retryAt: 0 });
  }

  /** `retryAt`: when the next attempt begins, in milliseconds of Date.now(); 0 while one is under way. */
  down(retryAt = 0) {
    if (this.state.state === "online") this.#downSince = Date.now();
    this.#down = { retryAt };
    const left = this.#downSince + this.#offlineMs - Date.now();
    const state = isCut() || left <= 0 ? "offline" : "reconnecting";
    this.#show({ state, via: "", retryAt });
    if (state === "reconnecting") this.#timer = setTimeout(() => this.again(), left + 100);
  }

  /** What the leader of the tabs shows; this one may have to go on from there. */
  follow(state) {
    if (this.state.state === "online") this.#downSince = Date.now();
    this.#show(state);
  }

  /** The browser's word may have changed. */
  again() {
    if (this.state.state !== "online") this.down(this.#down.retryAt);
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #show(state) {
    clearTimeout(this.#timer);
    const { state: name, via, retryAt } = this.state;
    if (name === state.state && via === state.via && retryAt === state.retryAt) return;
    this.state = state;
    this.#onState(state);
  }
}
