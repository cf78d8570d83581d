// The event log by long-polling, for where sockets are switched off or blocked.
// Needs nothing but fetch: GET /api/updates?after=<cursor>&wait=<seconds>.

const WAIT_S = 25;
const FIRST_DELAY_MS = 800;
const DELAY_CAP_MS = 15_000; // long enough to spare a server that is down, short enough to wait for

/** Equal to no other client's delay, so that a restart is not followed by a stampede. */
export function jittered(attempt) {
  const ceiling = Math.min(DELAY_CAP_MS, FIRST_DELAY_MS * 2 ** attempt);
  return FIRST_DELAY_MS / 4 + Math.random() * (ceiling - FIRST_DELAY_MS / 4);
}

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

async function fetchUpdates(after, token, signal) {
  // Without a cursor the server answers at once with the present one.
  const query = after === null ? "" : `?after=${encodeURIComponent(after)}&wait=${WAIT_S}`;
  // A wait that the network swallowed must not look like silence for ever.
  const deadline = AbortSignal.timeout((WAIT_S + 10) * 1000);
  const response = await fetch(`/api/updates${query}`, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.any([signal, deadline]),
    cache: "no-store",
  });
  if (response.ok) return response.json();
  const retryAfterMs = Number(response.headers.get("Retry-After")) * 1000 || 0;
  throw Object.assign(new Error(response.statusText), { status: response.status, retryAfterMs });
}

/**
 * Reads the log until `signal` is aborted.
 *
 * @param {AbortSignal} signal
 * @param {object} options
 * @param {() => string | undefined} options.token
 * @param {() => number} options.holdUntil no attempt before this moment (server:draining)
 * @param {(event: string, data: any) => void} options.onEvent
 * @param {() => void} options.onUp it works (again), events may have been missed
 * @param {() => void} options.onGap the log no longer reaches back to the cursor
 * @param {(error: Error & {status?: number}) => Promise<void> | void} options.onDown
 */
export async function readUpdates(signal, { token, holdUntil, onEvent, onUp, onGap, onDown }) {
  let after = null;
  let up = false;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const answer = await fetchUpdates(after, token(), signal);
      if (signal.aborted) return;
      failures = 0;
      after = answer.cursor;
      if (!up) onUp();
      else if (answer.resync) onGap();
      up = true;
      for (const { event, data } of answer.events) onEvent(event, data);
    } catch (error) {
      if (signal.aborted) return;
      up = false;
      if (error.status === 400) after = null; // a cursor this server cannot read
      await onDown(error);
      const wait = Math.max(jittered(failures++), holdUntil() - Date.now(), error.retryAfterMs ?? 0);
      await pause(wait, signal);
    }
  }
}
