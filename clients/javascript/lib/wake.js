// The moments at which a connection that was good may be no more, or one that was not may be.

export class Wake {
  #options;

  /** @param {{onWake: () => void, onNetwork: () => void}} options */
  constructor(options) {
    this.#options = options;
  }

  start() {
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.addEventListener?.("offline", this.#network);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
  }

  stop() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.removeEventListener?.("offline", this.#network);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
  }

  #network = () => this.#options.onNetwork();

  #wake = () => {
    this.#options.onNetwork();
    if (globalThis.document?.visibilityState !== "hidden") this.#options.onWake();
  };
}
