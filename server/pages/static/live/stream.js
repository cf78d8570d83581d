// Follows everything that happens and tells it to the document: CustomEvent(type, {detail}).
//
// Needs nothing but a browser. It takes /ws/stream, or the same as Server-Sent Events where no
// WebSocket gets through, and goes on from its cursor whenever it has to connect again.

const SILENCE_MS = 60_000; // the server says something every 25 s
const OPENING_MS = 10_000; // some networks let a connection open and then swallow it
const RETRY_MS = [500, 30_000];

/**
 * Begin to follow.
 * @param {object} [options]
 * @param {string} [options.url] the club's address; none: this page's
 * @param {() => string | null} [options.token] asked before each connection; null: as a guest
 * @param {string | null} [options.after] a cursor to go on from; none: from now on
 * @param {(frame: {type: string, detail?: any, cursor?: string}) => void} [options.onFrame]
 * @param {(state: {state: "connecting" | "online" | "waiting", via?: string, retryAt?: number}) => void} [options.onState]
 * @returns {{close: () => void, cursor: string | null}}
 */
export function follow({ url = "", token = () => null, after = null, onFrame, onState } = {}) {
  const base = new URL(url || location.origin, location.href);
  const stream = { cursor: after, close };
  let closed = false;
  let failures = 0;
  let refused = null; // a token that the server does not take
  let restartInMs = null;
  let leave = () => {};

  function close() {
    closed = true;
    leave();
  }

  function hear(frame) {
    if (frame.cursor) stream.cursor = frame.cursor;
    if (frame.type === "ping" || frame.type === "pong") return;
    if (frame.type === "server:draining") restartInMs = frame.detail.reconnectInMs;
    onFrame?.(frame);
    const detail = frame.type === "resync" ? { cursor: frame.cursor } : (frame.detail ?? null);
    document.dispatchEvent(new CustomEvent(frame.type, { detail }));
  }

  function address(path, protocol) {
    const place = new URL(path, base);
    if (protocol) place.protocol = place.protocol.replace("http", "ws");
    if (stream.cursor) place.searchParams.set("after", stream.cursor);
    return place;
  }

  function currentToken() {
    const shown = token();
    return shown === refused ? null : shown;
  }

  async function run() {
    while (!closed) {
      onState?.({ state: "connecting" });
      restartInMs = null;
      // A server that refuses a WebSocket looks to a page like a network that blocks it: the
      // second door says which of the two it is.
      const opened = (await overWebSocket()) || (!closed && (await overEventStream()));
      if (closed) return;
      failures = opened ? 0 : failures + 1;
      const [least, most] = RETRY_MS;
      const waitMs = restartInMs ?? Math.min(most, least * 2 ** failures) * (0.5 + Math.random() / 2);
      onState?.({ state: "waiting", retryAt: Date.now() + waitMs });
      await pause(waitMs);
    }
  }

  function pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        removeEventListener("online", done);
        resolve();
      }
      addEventListener("online", done);
      leave = done;
    });
  }

  /** Until it ends; gives whether it was open at all. */
  function overWebSocket() {
    return new Promise((resolve) => {
      const place = address("/ws/stream", "ws");
      const shown = currentToken();
      if (shown) place.searchParams.set("token", shown);
      const socket = new WebSocket(place);
      let opened = false;
      let silence = null;
      const listen = (forMs) => {
        clearTimeout(silence);
        silence = setTimeout(end, forMs);
      };
      // A connection that hangs does not even say that it has ended.
      const end = () => {
        clearTimeout(silence);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(opened);
      };
      leave = end;
      listen(OPENING_MS);
      socket.onclose = end;
      socket.onmessage = ({ data }) => {
        listen(SILENCE_MS);
        if (!opened) onState?.({ state: "online", via: "websocket" });
        opened = true;
        hear(JSON.parse(data));
      };
    });
  }

  /** The same over one long answer. `fetch`, since EventSource hears only names that it is told. */
  async function overEventStream() {
    const abort = new AbortController();
    leave = () => abort.abort();
    let opened = false;
    let silence = setTimeout(leave, OPENING_MS);
    try {
      const shown = currentToken();
      const headers = shown ? { Authorization: `Bearer ${shown}` } : {};
      const response = await fetch(address("/api/updates/stream"), { headers, signal: abort.signal, cache: "no-store" });
      if (response.status === 401) refused = shown;
      if (!response.ok) return false;
      opened = true;
      onState?.({ state: "online", via: "event-stream" });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(silence);
        silence = setTimeout(leave, SILENCE_MS);
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        for (const block of blocks) hearMessage(block);
      }
    } catch {
      // It broke, or was left: the cursor says where to go on.
    } finally {
      clearTimeout(silence);
    }
    return opened;
  }

  function hearMessage(block) {
    const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
    if (fields.id) stream.cursor = fields.id;
    if (!fields.data) return;
    const data = JSON.parse(fields.data);
    if (fields.event === "reactor:event") hear(data);
    else if (fields.event === "resync") hear({ type: "resync", cursor: data.cursor });
    else hear({ type: fields.event, detail: data, cursor: fields.id });
  }

  run();
  return stream;
}
