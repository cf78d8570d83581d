// The kit's face: puts the parts together and speaks with the page.
import { Backoff, pause } from "./backoff.js";
import { ROUTES } from "./commands.js";
import { Emitter } from "./emitter.js";
import { ApiError, packed, randomKey, request, unpacked } from "./http.js";
import { Hub } from "./hub.js";
import { Inbox } from "./inbox.js";
import { Indicator } from "./indicator.js";
import { Line } from "./line.js";
import { Memory } from "./memory.js";
import { Outbox } from "./outbox.js";
import { Renewal } from "./renewal.js";
import { Session } from "./session.js";
import { Snapshot } from "./snapshot.js";
import { TIMING } from "./timing.js";
import { Wake } from "./wake.js";

const MONEY_ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 5_000;
const PAGE = "page:"; // before the names of what pages keep
const QUEUE_LIMIT = 50;
// The server keeps a key for 24 hours; an hour is left for clocks and for the way.
const QUEUE_MAX_AGE_MS = 23 * 3_600_000;

const whoIs = ({ user }) => user?.id ?? null;

export class CyberHub {
  #url;
  #io;
  #timing;
  #routes;
  #emitter = new Emitter();
  #memory;
  #session;
  #renewal;
  #snapshot;
  #inbox;
  #indicator;
  #outbox;
  #line;
  #hub;
  #wake;
  #state;
  #seenAt = null;

  /** @param {import("../index.d.ts").Options} [options] */
  constructor({ url = "", io, transport, name = "cyberhub", timing = {}, routes = {}, queue = {} } = {}) {
    this.#url = url.replace(/\/$/, "");
    this.#io = io;
    this.#timing = { ...TIMING, ...timing };
    this.#routes = { ...ROUTES, ...routes };
    // Another club's token, or what waits for it, is none of this one's business.
    const own = [name, this.#url].filter(Boolean).join(" ");
    this.#memory = new Memory(own);
    this.#session = new Session({
      name: `${own}.session`,
      ask: (method, path, options) => this.#ask(method, path, options),
      onChange: (now, before) => this.#sessionChanged(now, before),
    });
    this.#renewal = new Renewal(this.#session, this.#timing.renew);
    this.#snapshot = new Snapshot({
      memory: this.#memory,
      get: (path) => this.get(path),
      who: () => whoIs(this.session),
      leads: () => this.#hub.leads,
      onChange: (value) => {
        this.#hub.passSnapshot(value);
        this.#emitter.emit("snapshot", value);
      },
      eventually: (work) => this.eventually(work),
    });
    this.#inbox = new Inbox({
      tell: (message) => this.#tell(message),
      load: () => this.#load(),
      fresh: () => {
        this.#hub.passFresh();
        this.#emitter.emit("resync", this.snapshot);
      },
    });
    this.#indicator = new Indicator(this.#timing.offline, (state) => {
      this.#hub.passState(state);
      this.#show(state);
    });
    this.#state = this.#indicator.state;
    this.#outbox = new Outbox({
      name: `${own}.queue`,
      memory: this.#memory,
      limit: queue.limit ?? QUEUE_LIMIT,
      maxAgeMs: queue.maxAgeMs ?? QUEUE_MAX_AGE_MS,
      userId: () => this.session.user?.id,
      ask: (method, path, options) => this.request(method, path, options),
      onResult: ({ error, ...result }) => {
        this.#hub.passQueue({ ...result, error: error && packed(error) });
        this.#emitter.emit("queue", { ...result, error });
      },
    });
    this.#line = new Line({
      url: this.#url,
      only: transport,
      timing: this.#timing,
      loadIo: () => this.#loadIo(),
      get: (path, options) => this.request("GET", path, options),
      token: () => this.session.token,
      inbox: this.#inbox,
      indicator: this.#indicator,
      onTokenRefused: () => this.#renewal.afterRefusal(),
    });
    this.#hub = new Hub({
      // A tab that is to use one transport only does not share with those that may use all.
      name: [own, transport].filter(Boolean).join(" "),
      line: this.#line,
      inbox: this.#inbox,
      snapshot: this.#snapshot,
      indicator: this.#indicator,
      read: (after) => this.get(`/api/updates?after=${encodeURIComponent(after)}`),
      who: () => whoIs(this.session),
      onState: (state) => this.#indicator.follow(state),
      onQueue: ({ error, ...result }) => this.#emitter.emit("queue", { ...result, error: error && unpacked(error) }),
      onLead: () => this.#renewal.plan(),
      ackMs: this.#timing.ack,
    });
    this.#wake = new Wake({
      onWake: () => {
        if (!this.#hub.leads) return;
        this.#renewal.plan();
        this.#line.check();
      },
      onNetwork: () => this.#hub.leads && this.#indicator.again(),
    });
  }

  /** Connect, and stay connected. */
  start() {
    this.#wake.start();
    this.#recall();
    this.#hub.start();
    return this;
  }

  /** Disconnect for good. */
  stop() {
    this.#wake.stop();
    this.#hub.stop();
    this.#renewal.stop();
    this.#session.stop();
    this.#outbox.stop();
    this.#indicator.stop();
  }

  on(event, listener) {
    return this.#emitter.on(event, listener);
  }

  off(event, listener) {
    this.#emitter.off(event, listener);
  }

  get state() {
    return this.#state;
  }

  get session() {
    return this.#session.now;
  }

  get snapshot() {
    return this.#snapshot.value;
  }

  get seenAt() {
    return this.#state.state === "online" ? new Date().toISOString() : this.#seenAt;
  }

  /** Try again now instead of when it is due. */
  retry() {
    this.#hub.retry();
  }

  /** Resolves when the state is `online`; at once if it is. */
  whenOnline() {
    if (this.#state.state === "online") return Promise.resolve();
    return new Promise((resolve) => {
      const off = this.on("state", ({ state }) => state === "online" && (off(), resolve()));
    });
  }

  /**
   * Does it, and does it again for as long as nobody answers and nothing is decided: for what has
   * to be loaded anew when an event says so. Raises: what is decided.
   */
  async eventually(work) {
    const backoff = new Backoff(this.#timing.retry);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!error.isUndecided) throw error;
        await pause(Math.max(backoff.next(), error.retryAfterS * 1000));
        await this.whenOnline();
      }
    }
  }

  // --- Who is signed in ---------------------------------------------------------------------------

  signIn(username, password) {
    return this.#session.enter("/api/auth/login", username, password);
  }

  register(username, password) {
    return this.#session.enter("/api/auth/register", username, password);
  }

  setSession(session) {
    this.#session.set(session);
  }

  async signOut() {
    const clearing = this.#outbox.clear();
    this.#session.set(null);
    await clearing;
  }

  #sessionChanged(now, before) {
    this.#emitter.emit("session", now);
    if (this.#hub.leads) this.#renewal.plan();
    if (whoIs(now) === whoIs(before)) {
      if (this.#hub.leads && now.token) this.#line.renew(now.user.id, now.token);
      return;
    }
    this.#seenAt = null;
    this.#snapshot.forget().catch(() => {});
    this.#memory.clear(PAGE).catch(() => {});
    this.#emitter.emit("snapshot", null);
    this.#hub.restart();
  }

  // --- HTTP ------------------------------------------------------------------------------------------

  /** Raises: ApiError. */
  async request(method, path, { token = this.session.token, ...options } = {}) {
    try {
      return await this.#ask(method, path, { token, ...options });
    } catch (error) {
      if (error.status === 401) this.#session.refused(token);
      throw error;
    }
  }

  #ask(method, path, options) {
    return request(this.#url, method, path, { timeoutMs: this.#timing.request, ...options });
  }

  get(path) {
    return this.request("GET", path);
  }

  post(path, body) {
    return this.request("POST", path, { body });
  }

  put(path, body) {
    return this.request("PUT", path, { body });
  }

  patch(path, body) {
    return this.request("PATCH", path, { body });
  }

  delete(path) {
    return this.request("DELETE", path);
  }

  /**
   * A POST that moves money: asked until it is decided, carried out once. With `queue`, what
   * cannot be decided now waits for the connection. Raises: ApiError.
   */
  async money(path, body, { queue = false, key = randomKey() } = {}) {
    const at = Date.now();
    if (queue && this.#state.state !== "online") return this.#queue({ path, body, key, at });
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.request("POST", path, { body, key });
      } catch (error) {
        if (!error.isUndecided || error.status === 429) throw error;
        if (queue && this.#state.state !== "online") return this.#queue({ path, body, key, at });
        if (attempt === MONEY_ATTEMPTS) throw error;
        const ms = Math.min(error.retryAfterS * 1000 || 250 * 2 ** attempt, LONGEST_PAUSE_MS);
        await pause(ms * (0.75 + Math.random() / 2));
      }
    }
  }

  async #queue(action) {
    const queued = await this.#outbox.add(action);
    // The connection may have come back while it was being written.
    if (this.#state.state === "online") this.#outbox.flush().catch(() => {});
    return queued;
  }

  /** What waits for the connection. */
  queued() {
    return this.#outbox.list();
  }

  // --- Commands -------------------------------------------------------------------------------------------

  /** Over the socket if there is one, else by its HTTP route. Raises: ApiError. */
  async emit(command, data = {}) {
    const isSocket = ["websocket", "polling"].includes(this.#state.via);
    const answer = isSocket ? await this.#hub.ask(command, data) : null;
    if (answer === null) return this.#emitByRoute(command, data);
    // An ack has no status; what it refuses is answered 400 by most routes.
    if (!answer.success) throw new ApiError(400, answer);
    return answer;
  }

  async #emitByRoute(command, data) {
    const route = this.#routes[command];
    if (!route) throw new ApiError(0, { code: "no_socket", error: `${command} needs a socket.` });
    const [method, path, body] = route(data);
    return this.request(method, path, { body });
  }

  // --- Snapshot and memory ------------------------------------------------------------------------------------

  /** Load the snapshot anew. Raises: ApiError. */
  refresh() {
    return this.#hub.refresh();
  }

  /** Keep something for times without a connection, until somebody else signs in. */
  remember(name, value) {
    return this.#memory.keep(PAGE + name, { value, at: new Date().toISOString() });
  }

  async recall(name) {
    const kept = await this.#memory.get(PAGE + name);
    if (kept) this.#seenAt ??= kept.at;
    return kept?.value ?? null;
  }

  async #recall() {
    const { token, user } = this.session;
    const kept = user && (await this.#snapshot.recall(user.id).catch(() => null));
    // The club may have been faster, or the member may have left.
    if (!kept || this.snapshot || this.session.token !== token) return;
    this.#seenAt ??= kept.at;
    this.#snapshot.show(kept.value);
  }

  /** The snapshot of whoever is signed in; gives the cursor it stands at. */
  async #load() {
    if (this.session.token) return this.#snapshot.load();
    return (await this.get("/api/updates")).cursor;
  }

  // --- What comes ------------------------------------------------------------------------------------------------

  #tell(message) {
    const { event, data } = message;
    if (event === "server:draining") this.#line.holdFor(data?.reconnectInMs ?? 0);
    this.#hub.passEvent(message);
    this.#snapshot.apply(message);
    this.#emitter.tell(message);
  }

  #show(state) {
    if (this.#state.state === "online" && state.state !== "online") this.#seenAt = new Date().toISOString();
    const cameUp = this.#state.state !== "online" && state.state === "online";
    this.#state = state;
    this.#emitter.emit("state", state);
    if (cameUp) this.#outbox.flush().catch(() => {});
  }

  /** Given to the constructor, or the module of this name, or the one that every club serves. */
  async #loadIo() {
    if (!this.#io) {
      const module = await import("socket.io-client").catch(() => import(`${this.#url}/socket.io/socket.io.esm.min.js`));
      this.#io = module.io;
    }
    return this.#io;
  }
}
