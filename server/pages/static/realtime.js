// The browser's real-time link, independent of any page: it keeps one
// connection to the club alive and says what it hears.
//
//   const link = new Realtime({ identity, renew, onEvent, onState, onFresh });
//   link.start();
//
// Socket.IO is tried first (polling, upgraded to WebSocket). Where its path is
// switched off or blocked, the same events come from GET /api/updates, and the
// sockets are tried again in the background until they work.
import { io } from "socket.io-client";
import { jittered, readUpdates } from "./updates.js";

const CONNECT_TIMEOUT_MS = 8_000;
const ACK_TIMEOUT_MS = 5_000;
const SLOW_START_MS = 5_000; // a blocked path may swallow packets without an answer
const OFFLINE_AFTER_MS = 30_000; // from then on "reconnecting" would promise too much
const RENEW_RETRY_MS = 10_000;
const TOKEN_AT_FAULT = new Set(["unauthorized", "invalid_token", "token_expired"]);
const LONGEST_TIMER_MS = 3_600_000; // setTimeout overflows at 2^31 ms; an hour is safe and cheap

export const TRANSPORTS = ["polling", "websocket", "updates"];

export class Realtime {
  #options;
  #started = false;
  #socket = null;
  #poll = null; // the AbortController of the running long-poll
  #pollUp = false;
  #attempt = 0;
  #notBefore = 0; // set by server:draining
  #renewing = false;
  #renewedAt = 0;
  #shown = { state: "", transport: "" };
  #downSince = Date.now();
  #retryTimer;
  #slowTimer;
  #renewTimer;
  #labelTimer;

  /**
   * @param {object} options
   * @param {string} [options.transport] one of TRANSPORTS, to allow only that one
   * @param {() => ({userId: number, token: string, expiresAt: string} | null)} options.identity
   * @param {() => Promise<object | null>} options.renew a fresh identity; null when the session is
   *   over; rejects when that is not known
   * @param {(event: string, data: any) => void} options.onEvent
   * @param {(link: {state: string, transport: string}) => void} options.onState
   * @param {() => void} options.onFresh events may have been missed: load the snapshot
   */
  constructor(options) {
    this.#options = options;
  }

  start() {
    this.#started = true;
    addEventListener("online", this.#wake);
    addEventListener("offline", this.#relabel);
    document.addEventListener("visibilitychange", this.#wake);
    this.#say("reconnecting");
    this.#planRenewal();
    this.#open();
  }

  stop() {
    this.#started = false;
    removeEventListener("online", this.#wake);
    removeEventListener("offline", this.#relabel);
    document.removeEventListener("visibilitychange", this.#wake);
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#labelTimer);
    this.#stopPoll();
    this.#close();
  }

  /** To be called after sign-in, sign-out and a new token: the live connection follows. */
  identityChanged() {
    if (!this.#started || this.#renewing) return; // who renews calls again
    this.#planRenewal();
    if (this.#poll) {
      this.#stopPoll();
      this.#startPoll();
    }
    const socket = this.#socket;
    if (!socket?.connected) return;
    if (this.#options.identity()) {
      this.#identify(socket).then((known) => known && this.#options.onFresh());
    } else {
      // Only a new connection is certain to be in nobody's room.
      this.#close();
      this.#open();
    }
  }

  retryNow() {
    this.#attempt = 0;
    if (this.#socket && !this.#socket.connected) this.#schedule(0);
  }

  // --- Socket.IO ---------------------------------------------------------

  #open() {
    const only = this.#options.transport;
    if (only === "updates") return this.#startPoll();
    const socket = io({
      autoConnect: false,
      forceNew: true,
      // The delay before the next attempt is ours: it obeys server:draining
      // and knows of the long-poll beside it.
      reconnection: false,
      transports: only ? [only] : ["polling", "websocket"],
      timeout: CONNECT_TIMEOUT_MS,
      // Asked at every attempt, so that a reconnect carries the newest token.
      auth: (give) => {
        const identity = this.#options.identity();
        give(identity ? { token: identity.token } : {});
      },
    });
    this.#socket = socket;
    socket.on("connect", () => this.#onConnect(socket));
    socket.on("connect_error", (error) => this.#onRefused(socket, error));
    socket.on("disconnect", () => this.#socket === socket && this.#onLost());
    // Durable events end with their position in the log, a string; a payload never does.
    socket.onAny((event, ...args) => {
      if (typeof args.at(-1) === "string") args.pop();
      this.#deliver(event, args[0]);
    });
    socket.connect();
    if (!only) {
      this.#slowTimer = setTimeout(() => socket.connected || this.#startPoll(), SLOW_START_MS);
    }
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#slowTimer);
    socket?.disconnect();
  }

  async #onConnect(socket) {
    const engine = socket.io.engine;
    const announce = () => this.#say("online", engine.transport.name);
    engine.on("upgrade", () => this.#shown.state === "online" && announce());
    if (this.#options.identity() && !(await this.#identify(socket))) return;
    if (!socket.connected || this.#socket !== socket) return;
    clearTimeout(this.#slowTimer);
    this.#stopPoll();
    this.#attempt = 0;
    announce();
    this.#options.onFresh();
  }

  /** True when the server has bound this socket to the member. */
  async #identify(socket) {
    for (const last of [false, true]) {
      const { userId, token } = this.#options.identity() ?? {};
      if (!token) return socket.connected;
      let answer;
      try {
        answer = await socket.timeout(ACK_TIMEOUT_MS).emitWithAck("user:identify", { userId, token });
      } catch {
        // A connection that does not answer is worth less than a new one.
        if (this.#socket === socket) socket.disconnect();
        return false;
      }
      if (answer.success) return true;
      if (last || !TOKEN_AT_FAULT.has(answer.code) || !(await this.#renew())) break;
    }
    // The session is over, or the server cannot tell now: a new connection will.
    if (this.#socket === socket) socket.disconnect();
    if (!this.#options.transport) this.#startPoll();
    return false;
  }

  async #onRefused(socket, error) {
    if (this.#socket !== socket) return;
    const mayHelp = Date.now() - this.#renewedAt > RENEW_RETRY_MS;
    if (TOKEN_AT_FAULT.has(error.data?.code) && mayHelp) await this.#renew();
    // A status means that the server is there and only this path is closed.
    const answered = typeof error.description === "number" && error.description >= 400;
    if (!this.#options.transport && (answered || this.#attempt > 0)) this.#startPoll();
    this.#onLost();
  }

  #onLost() {
    if (!this.#pollUp) this.#sayDown();
    this.#schedule(Math.max(jittered(this.#attempt++), this.#notBefore - Date.now()));
  }

  #schedule(ms) {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#started && this.#socket?.connect(), ms);
  }

  #deliver(event, data) {
    if (event === "server:draining") {
      // A share on top, since everyone was told the same number.
      this.#notBefore = Date.now() + (data?.reconnectInMs ?? 0) * (1 + Math.random() / 4);
    } else if (event === "auth:expired") {
      this.#renew().then(() => this.identityChanged());
    }
    this.#options.onEvent(event, data);
  }

  // --- The log by long-polling ---------------------------------------------

  #startPoll() {
    if (this.#poll || !this.#started) return;
    const controller = (this.#poll = new AbortController());
    readUpdates(controller.signal, {
      token: () => this.#options.identity()?.token,
      holdUntil: () => this.#notBefore,
      onEvent: (event, data) => this.#deliver(event, data),
      onGap: () => this.#options.onFresh(),
      onUp: () => {
        this.#pollUp = true;
        this.#say("online", "updates");
        this.#options.onFresh();
        // The server answers again; its sockets may do so, too.
        if (this.#attempt > 2) this.retryNow();
      },
      onDown: async (error) => {
        this.#pollUp = false;
        this.#sayDown();
        if (error.status === 401) await this.#renew();
      },
    });
  }

  #stopPoll() {
    this.#poll?.abort();
    this.#poll = null;
    this.#pollUp = false;
  }

  // --- Identity --------------------------------------------------------------

  /** A fresh identity, null when the session is over, undefined when that is not known. */
  async #renew() {
    this.#renewing = true;
    this.#renewedAt = Date.now();
    try {
      return await this.#options.renew();
    } catch {
      return undefined;
    } finally {
      this.#renewing = false;
      this.#planRenewal(RENEW_RETRY_MS);
    }
  }

  #planRenewal(atLeastMs = 1000) {
    clearTimeout(this.#renewTimer);
    const expires = Date.parse(this.#options.identity()?.expiresAt);
    if (!expires || !this.#started) return;
    const left = expires - Date.now();
    // A fifth of the lifetime, at most a minute, is kept for retries.
    const due = Math.max(left - Math.min(60_000, left / 5), atLeastMs);
    this.#renewTimer = setTimeout(
      () => {
        if (due > LONGEST_TIMER_MS) this.#planRenewal();
        else this.#renew().then((known) => known !== undefined && this.identityChanged());
      },
      Math.min(due, LONGEST_TIMER_MS),
    );
  }

  // --- What the indicator shows ------------------------------------------------

  #wake = () => {
    if (document.visibilityState === "hidden") return;
    this.#planRenewal(); // timers stand still while a laptop sleeps
    if (this.#shown.state !== "online") this.retryNow();
    this.#relabel();
  };

  #relabel = () => {
    if (this.#shown.state !== "online") this.#sayDown();
  };

  #sayDown() {
    if (this.#shown.state === "online") this.#downSince = Date.now();
    const down = Date.now() - this.#downSince;
    const offline = !navigator.onLine || down >= OFFLINE_AFTER_MS;
    this.#say(offline ? "offline" : "reconnecting");
    if (!offline) this.#labelTimer = setTimeout(this.#relabel, OFFLINE_AFTER_MS - down + 100);
  }

  #say(state, transport = "") {
    clearTimeout(this.#labelTimer);
    if (this.#shown.state === state && this.#shown.transport === transport) return;
    this.#shown = { state, transport };
    this.#options.onState(this.#shown);
  }
}
