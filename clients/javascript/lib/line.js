// The chain of doors: Socket.IO over WebSocket, Socket.IO over polling, the updates. One of them
// is in use, at most one better one is being tried, and whichever works next takes over. All of
// them lead to one inbox, so a change neither loses nor repeats anything.
//
// Whatever is begun here knows the run it belongs to: after stop() it has nothing to say.
import { Backoff, pause } from "./backoff.js";
import { SocketDoor } from "./doors/socket.js";
import { UpdatesDoor } from "./doors/updates.js";
import { ApiError, TOKEN_AT_FAULT } from "./http.js";

const codeOf = (error) => error?.data?.code ?? error?.code;

export class Line {
  #options;
  #retry;
  #climb;
  #run = null; // an object of its own for everything between start() and stop()
  #door = null;
  #trial = null; // a socket on its way, and who waits for it: {door, settle}
  #opening = null; // updates on their way
  #timer;
  #round = 0; // an attempt that is not the newest has nothing to say
  #attempting = false;
  #takenAt = 0;
  #notBefore = 0; // set by server:draining and Retry-After

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string} [options.only] one of websocket, polling, updates
   * @param {import("../index.d.ts").Timing} options.timing
   * @param {() => Promise<Function>} options.loadIo
   * @param {(path: string, options: object) => Promise<any>} options.get
   * @param {() => string | null} options.token
   * @param {import("./inbox.js").Inbox} options.inbox
   * @param {import("./indicator.js").Indicator} options.indicator
   * @param {() => Promise<void>} options.onTokenRefused
   */
  constructor(options) {
    this.#options = options;
    this.#retry = new Backoff(options.timing.retry);
    this.#climb = new Backoff(options.timing.climb);
  }

  start() {
    this.#run = {};
    this.#begin(0);
  }

  /** Also to begin anew for somebody else: `start()` may follow. */
  stop() {
    this.#run = null;
    this.#round++;
    this.#attempting = false;
    clearTimeout(this.#timer);
    this.#dropTrial();
    this.#opening?.close();
    this.#door?.close();
    this.#opening = this.#door = null;
    this.#retry.reset();
    this.#climb.reset();
  }

  /** Try now what would be tried later. */
  hurry() {
    if (!this.#run || this.#trial || this.#attempting) return;
    this.#retry.reset();
    this.#climb.reset();
    if (!this.#door) this.#begin(0);
    else if (this.#mayClimb()) this.#planClimb(0);
  }

  /** The machine may have slept, the network changed: whether the connection still answers is not known. */
  async check() {
    const door = this.#door;
    if (!(door instanceof SocketDoor)) return this.hurry();
    try {
      await door.ask("ping", {}, this.#options.timing.ack);
    } catch (error) {
      door.fail(error);
    }
  }

  /** A fresh token of the same member, for the connection that stands. */
  async renew(userId, token) {
    const door = this.#door;
    if (door instanceof UpdatesDoor) door.askAnew();
    if (!(door instanceof SocketDoor)) return;
    try {
      const { success, error } = await door.ask("user:identify", { userId, token }, this.#options.timing.ack);
      if (!success) door.fail(new Error(error));
    } catch (error) {
      door.fail(error);
    }
  }

  /** Obey `server:draining`. A share on top, since everybody was told the same. */
  holdFor(ms) {
    this.#notBefore = Math.max(this.#notBefore, Date.now() + ms * (1 + Math.random() / 4));
  }

  /** Whether commands pass. */
  get hasSocket() {
    return this.#door instanceof SocketDoor;
  }

  /** The ack of a command. Raises: when there is none. */
  ask(command, data) {
    return this.#door.ask(command, data, this.#options.timing.ack);
  }

  // --- Down: one attempt after another ------------------------------------------------------

  #begin(ms) {
    clearTimeout(this.#timer);
    this.#attempting = false;
    const round = ++this.#round;
    const wait = Math.max(ms, this.#notBefore - Date.now());
    this.#options.indicator.down(wait > 0 ? Date.now() + wait : 0);
    this.#timer = setTimeout(() => this.#attempt(round), wait);
  }

  async #attempt(round) {
    this.#attempting = true;
    this.#options.indicator.down();
    let error = null;
    try {
      if (this.#options.inbox.cursor === null) await this.#options.inbox.resync();
      if (round === this.#round) error = await this.#goThroughDoors(this.#run);
    } catch (problem) {
      error = problem;
    }
    if (round !== this.#round) return;
    await this.#heed(error);
    if (round === this.#round) this.#begin(this.#retry.next());
  }

  /** Gives why the last door did not open; nothing if one did. */
  async #goThroughDoors(run) {
    const { only, timing } = this.#options;
    if (only === "updates") return this.#openUpdates(run);
    const socket = this.#openSocket(only ? [only] : ["polling", "websocket"]);
    if (only) return socket;
    // A swallowed connection says nothing for a long time; somebody waits for the page meanwhile.
    const early = await Promise.race([socket, pause(timing.slow)]);
    if (run !== this.#run || this.#door) return null;
    // The token is judged before the next door is asked with it.
    if (TOKEN_AT_FAULT.has(codeOf(early))) return early;
    const refused = await this.#openUpdates(run);
    if (!refused || this.#door) return null;
    await this.#heed(refused);
    return socket;
  }

  async #openUpdates(run) {
    const { get, inbox, timing } = this.#options;
    const door = new UpdatesDoor({
      get,
      inbox,
      pollMs: timing.poll,
      requestMs: timing.request,
      onEvent: (message) => inbox.take(message),
      onDown: (from, error) => this.#lose(from, error),
    });
    this.#opening = door;
    try {
      await door.open();
    } catch (error) {
      return error;
    }
    // A socket was faster, or nobody is interested any more.
    if (run !== this.#run || this.#door) door.close();
    else {
      this.#take(door);
      door.run();
    }
    return null;
  }

  /** Gives why it did not open; null if it did. Never raises. */
  async #openSocket(transports) {
    const run = this.#run;
    const { url, loadIo, token, inbox, timing } = this.#options;
    let io;
    try {
      io = await loadIo();
    } catch (error) {
      return error;
    }
    if (run !== this.#run) return null;
    this.#dropTrial();
    return new Promise((resolve) => {
      const door = new SocketDoor({
        io,
        url,
        transports,
        connectMs: timing.connect,
        auth: () => ({ token: token() ?? undefined, after: inbox.cursor ?? undefined }),
        // Of two doors, both tell what is in the log, and the inbox takes it once. The rest has
        // no place in an order, and only the door in use is asked.
        onEvent: (message) => {
          if (message.cursor || door === this.#door) inbox.take(message);
          // Soon nothing of the member comes here any more, and what comes for all would move the
          // cursor past what is missed.
          if (message.event === "auth:expired") door.fail(new ApiError(401, { code: "token_expired" }));
        },
        onUp: () => {
          this.#trial = null;
          this.#take(door);
          resolve(null);
        },
        onVia: () => door === this.#door && this.#options.indicator.state.state === "online" && this.#settle(),
        onDown: (from, error) => {
          if (this.#trial?.door === door) this.#trial = null;
          resolve(error);
          this.#lose(door, error);
        },
      });
      this.#trial = { door, settle: resolve };
      door.open();
    });
  }

  #dropTrial() {
    this.#trial?.door.close();
    this.#trial?.settle(null);
    this.#trial = null;
  }

  // --- Up ---------------------------------------------------------------------------------------

  #take(door) {
    const before = this.#door;
    this.#door = door;
    before?.close();
    clearTimeout(this.#timer);
    this.#round++;
    this.#attempting = false;
    this.#takenAt = Date.now();
    this.#climb.reset();
    if (door.isContinuous) this.#settle();
    else this.#resync(door);
  }

  /** What happened before this door opened is not known: it does not count as open before it is. */
  async #resync(door) {
    try {
      await this.#options.inbox.resync();
    } catch (error) {
      if (door !== this.#door) return;
      door.close();
      return this.#lose(door, error);
    }
    if (door === this.#door) this.#settle();
  }

  #settle() {
    this.#options.indicator.up(this.#door.via);
    clearTimeout(this.#timer);
    if (this.#mayClimb()) this.#planClimb(this.#climb.next());
  }

  #mayClimb() {
    return !this.#options.only && this.#door.via !== "websocket" && this.#door.offersWebSocket;
  }

  #planClimb(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tryBetter(), Math.max(ms, this.#notBefore - Date.now()));
  }

  async #tryBetter() {
    // One that was slow from the beginning may still come.
    if (this.#trial) return this.#planClimb(this.#climb.next());
    const door = this.#door;
    // Over polling, Engine.IO has tried its own way up, once; what is missing is WebSocket itself.
    const transports = door.via === "polling" ? ["websocket"] : ["polling", "websocket"];
    const error = await this.#openSocket(transports);
    if (door !== this.#door) return;
    await this.#heed(error);
    // It may have become better by itself meanwhile.
    if (door === this.#door && this.#mayClimb()) this.#planClimb(this.#climb.next());
  }

  #lose(door, error) {
    if (door !== this.#door) return;
    this.#door = null;
    this.#dropTrial();
    // A server without recovery tells no cursors: what was heard since the snapshot has no place.
    if (!door.tellsCursors) this.#options.inbox.forget();
    // One that never stands for long must not be asked for without a pause.
    if (Date.now() - this.#takenAt > this.#options.timing.retry[1]) this.#retry.reset();
    this.#heed(error);
    this.#begin(this.#retry.next());
  }

  /** What a refusal says besides no: when to come again, and that the token is at fault. */
  async #heed(error) {
    if (error?.retryAfterS) this.holdFor(error.retryAfterS * 1000);
    if (TOKEN_AT_FAULT.has(codeOf(error))) await this.#options.onTokenRefused();
  }
}
