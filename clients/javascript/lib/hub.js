// One connection for all tabs: the leader has it, and passes on what comes through it.
import { Follower } from "./follower.js";
import { ApiError } from "./http.js";
import { Tabs } from "./tabs.js";

export class Hub {
  #options;
  #tabs;
  #follower;
  #sent = null; // the cursor of the last event that was passed on

  /**
   * @param {object} options
   * @param {string} options.name tabs of the same name share
   * @param {import("./line.js").Line} options.line
   * @param {import("./inbox.js").Inbox} options.inbox
   * @param {import("./snapshot.js").Snapshot} options.snapshot
   * @param {import("./indicator.js").Indicator} options.indicator
   * @param {(after: string) => Promise<any>} options.read a page of the log
   * @param {() => unknown} options.who whose events these are; those of somebody else are not ours
   * @param {(state: object) => void} options.onState the leader's
   * @param {(result: object) => void} options.onQueue what became of a queued action
   * @param {() => void} options.onLead
   * @param {number} options.ackMs
   */
  constructor(options) {
    this.#options = options;
    this.#tabs = new Tabs(options.name, () => this.#lead(), (message) => this.#hear(message));
    const send = (message) => this.#send(message);
    this.#follower = new Follower({ ...options, send });
  }

  get leads() {
    return this.#tabs.leads;
  }

  start() {
    this.#tabs.start();
    if (!this.leads) this.#follower.hello();
  }

  stop() {
    this.#options.line.stop();
    this.#tabs.stop();
  }

  #lead() {
    const { line, inbox, onLead } = this.#options;
    this.#sent = inbox.cursor;
    this.#follower.leaderChanged();
    this.#send({ type: "leader" });
    onLead();
    line.start();
  }

  /** Somebody else is signed in: whatever was known is not theirs. */
  restart() {
    const { line, inbox } = this.#options;
    if (this.leads) line.stop();
    inbox.forget();
    this.#follower.forget();
    if (this.leads) line.start();
    else this.#follower.hello();
  }

  retry() {
    if (this.leads) this.#options.line.hurry();
    else this.#send({ type: "retry" });
  }

  /** Load the snapshot anew. */
  async refresh() {
    if (this.leads) await this.#options.snapshot.refresh();
    else this.#send({ type: "refresh" });
  }

  /** The ack of a command, or null where no socket is. Raises: ApiError. */
  async ask(command, data) {
    if (!this.leads) return this.#follower.ask(command, data);
    const { line } = this.#options;
    if (!line.hasSocket) return null;
    try {
      return await line.ask(command, data);
    } catch {
      throw new ApiError(0, { error: "No acknowledgement came." });
    }
  }

  // --- What the leader passes on -------------------------------------------------------------

  passEvent(message) {
    if (!this.leads) return;
    this.#send({ type: "event", message, before: this.#sent });
    if (message.cursor) this.#sent = message.cursor;
  }

  passState(state) {
    if (this.leads) this.#send({ type: "state", state });
  }

  passSnapshot(snapshot) {
    if (this.leads) this.#send({ type: "snapshot", snapshot });
  }

  /** Following begins anew, from this snapshot; `tab` for one that has just come. */
  passFresh(tab) {
    if (!this.leads) return;
    const { inbox, snapshot, indicator } = this.#options;
    if (tab === undefined) this.#sent = inbox.cursor;
    this.#send({ type: "fresh", tab, cursor: inbox.cursor, snapshot: snapshot.value, state: indicator.state });
  }

  /** Every tab says what became of its queued actions. */
  passQueue(result) {
    this.#send({ type: "queue", result });
  }

  #send(message) {
    this.#tabs.send({ ...message, who: this.#options.who() });
  }

  // --- What comes from other tabs ---------------------------------------------------------------

  #hear(message) {
    if (message.who !== this.#options.who()) return;
    if (message.type === "queue") this.#options.onQueue(message.result);
    else if (this.leads) this.#hearFollower(message);
    else this.#hearLeader(message);
  }

  async #hearFollower({ type, tab, number, command, data }) {
    const { inbox, line, snapshot } = this.#options;
    if (type === "hello" && inbox.cursor !== null) this.passFresh(tab);
    else if (type === "retry") line.hurry();
    else if (type === "refresh") snapshot.refresh().catch(() => {});
    else if (type === "ask") {
      // One that fails is not answered: whether it was carried out is not known here either.
      const answer = await this.ask(command, data).catch(() => undefined);
      if (answer !== undefined) this.#send({ type: "answer", tab, number, answer });
    }
  }

  #hearLeader(message) {
    const { inbox, snapshot, onState } = this.#options;
    const follower = this.#follower;
    if (message.type === "event") follower.take(message);
    else if (message.type === "state") onState(message.state);
    else if (message.type === "snapshot") snapshot.show(message.snapshot);
    else if (message.type === "fresh" && follower.isFor(message)) {
      snapshot.show(message.snapshot);
      follower.forget();
      inbox.begin(message.cursor);
      onState(message.state);
    } else if (message.type === "answer" && follower.isFor(message)) follower.answered(message);
    else if (message.type === "leader") {
      follower.leaderChanged();
      if (inbox.cursor === null) follower.hello();
    }
  }
}
