// The club's HTTP API for the member at this browser. What moves money carries
// an Idempotency-Key, so that asking again is always safe.
import { request } from "./http.js";
import { session } from "./session.js";

const MONEY_ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 5_000;

async function once(method, path, body, key) {
  const { token } = session.get();
  try {
    return await request(method, path, { body, token, key });
  } catch (error) {
    if (error.status === 401) session.refused(token);
    throw error;
  }
}

/** crypto.randomUUID exists on secure origins only; a club's LAN may be plain http. */
export function randomKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the same key should be sent again: nothing was decided, or it is being decided now. */
const undecided = (error) => [0, 409, 502, 503, 504].includes(error.status);

async function untilDecided(method, path, body) {
  const key = randomKey();
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(method, path, body, key);
    } catch (error) {
      if (!undecided(error) || attempt === MONEY_ATTEMPTS) throw error;
      const ms = Math.min(error.retryAfterS * 1000 || 250 * 2 ** attempt, LONGEST_PAUSE_MS);
      await new Promise((resolve) => setTimeout(resolve, ms * (0.75 + Math.random() / 2)));
    }
  }
}

export const api = {
  get: (path) => once("GET", path),
  post: (path, body) => once("POST", path, body),
  /** A POST that moves money: asked until it is decided, carried out once. */
  postMoney: (path, body) => untilDecided("POST", path, body),
  put: (path, body) => once("PUT", path, body),
  delete: (path) => once("DELETE", path),
};
