// One request and the envelope around every answer: either the answer, or an
// ApiError with the server's code.

export class ApiError extends Error {
  /**
   * @param {number} status 0 means that nobody answered
   * @param {{error?: string, code?: string, fields?: object, requestId?: string}} body
   */
  constructor(status, body, retryAfterS = 0) {
    super(body.error ?? `HTTP ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = body.code ?? (status === 0 ? "network" : `http_${status}`);
    this.fields = body.fields ?? {};
    this.requestId = body.requestId ?? "";
    this.retryAfterS = retryAfterS;
  }

  /** Whether the same request may end otherwise later: nothing was decided. */
  get isUndecided() {
    return [0, 429, 502, 503, 504].includes(this.status) || this.code === "idempotency_in_progress";
  }
}

/** An error as what another tab can be sent, and back. */
export const packed = ({ status, message, code, fields, requestId, retryAfterS }) => [
  status,
  { error: message, code, fields, requestId },
  retryAfterS,
];
export const unpacked = (error) => new ApiError(...error);

/** The codes that blame a token. */
export const TOKEN_AT_FAULT = new Set(["unauthorized", "invalid_token", "token_expired"]);

// A proxy that says a day would leave a page dead, and beyond 24 of them setTimeout overflows.
const LONGEST_RETRY_AFTER_S = 300;

/** Retry-After in seconds, 0 without it. The form with a date (RFC 9110 §10.2.3) counts as none. */
export const retryAfter = (header) => Math.min(Number(header) || 0, LONGEST_RETRY_AFTER_S);

/** Raises: ApiError; whatever aborted the `signal`. */
export async function request(url, method, path, { body, token, key, timeoutMs, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const deadline = AbortSignal.timeout(timeoutMs);
  let response;
  let answer;
  try {
    response = await fetch(url + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      cache: "no-store",
    });
    // A cut in the middle is no answer.
    answer = parsed(await response.text());
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ApiError(0, { error: String(cause) });
  }
  // A page of its own, with which the network asks to sign in: the club was not reached.
  if (response.ok && !answer) throw new ApiError(0, { error: "Somebody else than the club has answered." });
  if (response.ok && answer.success !== false) return answer;
  throw new ApiError(response.status, answer ?? {}, retryAfter(response.headers.get("Retry-After")));
}

/** Null for what is no JSON. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** crypto.randomUUID exists on secure origins only; a club's LAN may be plain http. */
export function randomKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
