// Listeners by the name of an event.

const ID_AT_THE_END = /:\d+$/;

export class Emitter {
  #listeners = new Map();

  /** Returns the function that takes the listener away. `*` hears every event of the club. */
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
    return () => this.off(event, listener);
  }

  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }

  emit(event, ...args) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        // One listener's mistake is neither the others' nor the connection's; a browser is told
        // of it as of any error that nobody has caught.
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  /** An event of the club, under its name, under it without the member's id, and under `*`. */
  tell({ event, data, cursor }) {
    this.emit(event, data, { event, cursor });
    const short = event.replace(ID_AT_THE_END, "");
    if (short !== event) this.emit(short, data, { event, cursor });
    this.emit("*", event, data, { event, cursor });
  }
}
