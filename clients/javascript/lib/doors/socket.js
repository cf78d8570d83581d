// Socket.IO, once: from the attempt to the loss. What came while it was away is asked for by
// cursor, so nothing of an old connection is needed for a new one.
import { retryAfter } from "../http.js";

// Packet type of the Socket.IO protocol, revision 5.
const CONNECT = 0;

export class SocketDoor {
  #options;
  #socket = null;
  #timer;
  #open = false;
  #over = false;
  /** Whether the server tells events with their cursors. */
  tellsCursors = false;
  /** Whether it told everything that came after ours. */
  isContinuous = false;
  /** Whether the server is willing to speak WebSocket. */
  offersWebSocket = false;

  /**
   * @param {object} options
   * @param {Function} options.io socket.io-client's
   * @param {string} options.url
   * @param {string[]} options.transports
   * @param {number} options.connectMs
   * @param {() => {token?: string, after?: string}} options.auth
   * @param {(message: {event: string, data: any, cursor: string | null}) => void} options.onEvent
   * @param {(door: SocketDoor) => void} options.onUp everything after the cursor has been told
   * @param {(door: SocketDoor) => void} options.onVia another transport
   * @param {(door: SocketDoor, error: Error) => void} options.onDown once, also for an attempt that failed
   */
  constructor(options) {
    this.#options = options;
  }

  get via() {
    return this.#socket.io.engine.transport.name;
  }

  open() {
    const { io, url, transports, connectMs, auth } = this.#options;
    const socket = (this.#socket = io(url || undefined, {
      autoConnect: false,
      forceNew: true,
      // When to try again is not this connection's affair: there are other doors.
      reconnection: false,
      transports,
      timeout: connectMs,
      auth: (give) => {
        const words = auth();
        follows = words.after !== undefined;
        give(words);
      },
    }));
    let follows = false;
    // The one sign of it is in the answer itself: a server without recovery gives no `pid`. The
    // socket keeps it under a name that its bundles change.
    socket.io.on("packet", ({ type, data }) => {
      if (type === CONNECT) this.tellsCursors = data?.pid !== undefined;
    });
    socket.on("resync", () => (follows = false));
    socket.on("connect", () => {
      this.isContinuous = follows && this.tellsCursors;
      this.#open = true;
      clearTimeout(this.#timer);
      this.#options.onUp(this);
    });
    socket.on("connect_error", (error) => {
      // To be read at once: Engine.IO aborts its XMLHttpRequest after this, and the header is gone.
      // Under Node one that nobody answered throws when it is asked for a header.
      const { context } = error;
      const header = context?.status ? context.getResponseHeader("Retry-After") : null;
      this.#fail(Object.assign(error, { retryAfterS: retryAfter(header) }));
    });
    socket.on("disconnect", (reason) => this.#fail(new Error(reason)));
    // Durable events end with their cursor, a string; a payload never is one.
    socket.onAny((event, ...args) => {
      const cursor = typeof args.at(-1) === "string" ? args.pop() : null;
      if (event !== "resync") this.#options.onEvent({ event, data: args[0] ?? null, cursor }, this);
    });
    socket.connect();
    const { engine } = socket.io;
    engine.on("handshake", ({ upgrades }) => {
      this.offersWebSocket = transports.includes("websocket") || upgrades.includes("websocket");
    });
    engine.on("upgrade", () => this.#open && this.#options.onVia(this));
    // A long replay takes its time; silence does not deserve any.
    engine.on("packet", () => this.#open || this.#await());
    this.#await();
  }

  #await() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(new Error("timeout")), this.#options.connectMs);
  }

  /** The ack of a command. Raises: when there is none in time. */
  ask(command, data, ackMs) {
    return this.#socket.timeout(ackMs).emitWithAck(command, data);
  }

  /** A connection that does not answer is worth less than a new one. */
  fail(error) {
    this.#fail(error);
  }

  #fail(error) {
    if (this.#over) return;
    this.close();
    this.#options.onDown(this, error);
  }

  /** Without a word to anybody here. */
  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket.offAny();
    this.#socket.off();
    this.#socket.disconnect();
  }
}
