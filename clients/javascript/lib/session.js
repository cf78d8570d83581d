// Who is signed in. Kept over reloads and shared by the tabs of one browser.
import { ApiError } from "./http.js";

const NOBODY = { token: null, expiresAt: null, user: null, ended: false };

export class Session {
  #ask;
  #store;
  #onChange;
  #now;

  /**
   * @param {object} options
   * @param {string} options.name under which it is kept
   * @param {(method: string, path: string, options?: object) => Promise<any>} options.ask
   * @param {(now: import("../index.d.ts").Session, before: import("../index.d.ts").Session) => void} options.onChange
   */
  constructor({ name, ask, onChange }) {
    this.#ask = ask;
    this.#store = new Kept(name, () => this.#show(this.#store.read() ?? NOBODY));
    this.#onChange = onChange;
    this.#now = this.#store.read() ?? NOBODY;
  }

  get now() {
    return this.#now;
  }

  async enter(path, username, password) {
    const { token, expiresAt, user } = await this.#ask("POST", path, { body: { username, password } });
    this.set({ token, expiresAt, user });
  }

  /** A token from elsewhere, or null to sign out. */
  set(given) {
    if (given?.token && !given.user?.id) throw new TypeError("A token comes with the member's `user`.");
    const next = { ...NOBODY, ...given };
    // The other tabs are to say why they ask for a password again.
    this.#store.write(next.token || next.ended ? next : null);
    this.#show(next);
  }

  /** The server refused this token. */
  refused(token) {
    // One that was replaced meanwhile says nothing about the session.
    if (token && token === this.#now.token) this.set({ ended: true });
  }

  /**
   * A new token for the same member. Gives whether somebody is signed in afterwards. Raises:
   * ApiError when that is not known, since nobody answered.
   */
  async renew() {
    const { token } = this.#now;
    if (!token) return false;
    try {
      const { token: fresh, expiresAt } = await this.#ask("POST", "/api/auth/refresh", { token });
      // It may have ended, or another tab may have renewed it, while this was under way.
      if (this.#now.token === token) this.set({ ...this.#now, token: fresh, expiresAt });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.refused(token);
    }
    return this.#now.token !== null;
  }

  stop() {
    this.#store.stop();
  }

  #show(next) {
    const before = this.#now;
    this.#now = next;
    if (before.token !== next.token || before.ended !== next.ended) this.#onChange(next, before);
  }
}

/** One value in localStorage. Where there is none, or it refuses, memory has to do. */
class Kept {
  #name;
  #onChange;
  #watch = ({ key }) => key === this.#name && this.#onChange();

  constructor(name, onChange) {
    this.#name = name;
    this.#onChange = onChange;
    globalThis.addEventListener?.("storage", this.#watch);
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.#name));
    } catch {
      return null;
    }
  }

  write(value) {
    try {
      if (value === null) localStorage.removeItem(this.#name);
      else localStorage.setItem(this.#name, JSON.stringify(value));
    } catch {
      // A private window may refuse, and Node has none.
    }
  }

  stop() {
    globalThis.removeEventListener?.("storage", this.#watch);
  }
}
