// What the member has: the last /api/me, kept true by the events that came after it.
import { isAfter } from "./cursor.js";

const KEY = "snapshot";
const NO_CURSOR = Symbol("an event without a cursor");

export class Snapshot {
  #options;
  #loading = null;
  #again = false;
  #touched = null;
  /** @type {import("../index.d.ts").Snapshot | null} */
  value = null;

  /**
   * @param {object} options
   * @param {import("./memory.js").Memory} options.memory
   * @param {(path: string) => Promise<any>} options.get
   * @param {() => number | null} options.who the id of the member who is signed in
   * @param {() => boolean} options.leads whether this tab loads and keeps it for all
   * @param {(value: object | null) => void} options.onChange
   * @param {(work: () => Promise<void>) => Promise<void>} options.eventually
   */
  constructor(options) {
    this.#options = options;
  }

  /** Load it. Gives its cursor. Raises: ApiError. */
  async load() {
    const value = await this.#fetch();
    if (value) this.show(value);
    return value?.cursor;
  }

  /** What the club says; null if somebody else is signed in by now. */
  async #fetch() {
    const { get, who } = this.#options;
    const of = who();
    const { success, ...value } = await get("/api/me");
    return of === who() ? value : null;
  }

  /** Load it anew, once at a time: a call while it loads makes it load again afterwards. */
  refresh() {
    this.#again = true;
    this.#loading ??= this.#loadUntilNew().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #loadUntilNew() {
    while (this.#again) {
      this.#again = false;
      this.#touched = null;
      const value = await this.#fetch();
      if (!value) return;
      // An event went by that this answer does not know of yet.
      if (this.#touched && (this.#touched === NO_CURSOR || isAfter(this.#touched, value.cursor))) this.#again = true;
      else this.show(value);
    }
  }

  /** What an event changes. One that the snapshot has seen already changes nothing. */
  apply({ event, data, cursor }) {
    const { value } = this;
    if (!value || (cursor && value.cursor && !isAfter(cursor, value.cursor))) return;
    const { id } = value.user;
    if (event === `balance:updated:${id}`) {
      this.#touched = cursor ?? NO_CURSOR;
      this.show({ ...value, balance: data.balance });
    }
    if (event === "notification:read") {
      this.#touched = cursor ?? NO_CURSOR;
      this.show({ ...value, unread: data.unread });
    }
    // How many are unread now is not told with a new one: it may have taken another's place.
    const isStale = event === `inventory:updated:${id}` || event === "notification:new";
    if (isStale && this.#options.leads()) {
      // What is decided against it (signed out, forbidden) is told elsewhere.
      this.#options.eventually(() => this.refresh()).catch(() => {});
    }
  }

  show(value) {
    if (value === this.value) return;
    this.value = value;
    this.#options.onChange(value);
    if (!value || !this.#options.leads()) return;
    // A full disk leaves the page without a memory, not without its work.
    this.#options.memory.keep(KEY, { value, at: new Date().toISOString() }).catch(() => {});
  }

  /** The last one of this browser if it is this member's, and when it was true. */
  async recall(userId) {
    const kept = await this.#options.memory.get(KEY);
    return kept && kept.value.user.id === userId ? kept : null;
  }

  forget() {
    this.value = null;
    // In turn with what is being written, or that would come after.
    return this.#options.memory.keep(KEY, null);
  }
}
