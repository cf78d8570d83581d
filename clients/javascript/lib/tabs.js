// The tabs of one browser choose a leader, which alone is connected, and speak with each other.
//
// The lock is the choice: whoever holds it leads, and when its tab is gone the browser gives it to
// the next. Where Web Locks are missing (a page of plain http), every tab leads itself, alone.

export const canShare = () => Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel && globalThis.document);

export class Tabs {
  #name;
  #channel = null;
  #leaving = new AbortController();
  #onLead;
  leads = false;

  /**
   * @param {string} name tabs of the same name belong together
   * @param {() => void} onLead this tab leads from now on
   * @param {(message: any) => void} onMessage from another tab
   */
  constructor(name, onLead, onMessage) {
    this.#name = name;
    this.#onLead = onLead;
    if (!canShare()) return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => onMessage(data);
  }

  start() {
    if (!this.#channel) return this.#lead();
    const { signal } = this.#leaving;
    navigator.locks
      .request(this.#name, { signal }, () => {
        this.#lead();
        // Held for as long as this tab lives.
        return new Promise((resolve) => signal.addEventListener("abort", resolve));
      })
      .catch((error) => signal.aborted || Promise.reject(error));
  }

  #lead() {
    this.leads = true;
    this.#onLead();
  }

  /** To every other tab. */
  send(message) {
    this.#channel?.postMessage(message);
  }

  stop() {
    this.leads = false;
    this.#leaving.abort();
    this.#channel?.close();
    this.#channel = null;
  }
}
