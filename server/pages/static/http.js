// One request and the envelope around every answer: either the answer, or an
// ApiError with the server's code.

const TIMEOUT_MS = 15_000;

export class ApiError extends Error {
  /** `status` 0 means that nobody answered. */
  constructor(status, body, retryAfterS = 0) {
    super(body.error ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? (status === 0 ? "network" : `http_${status}`);
    this.fields = body.fields ?? {};
    this.requestId = body.requestId ?? "";
    this.retryAfterS = retryAfterS;
  }
}

export async function request(method, path, { body, token, key } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
  } catch (cause) {
    throw new ApiError(0, { error: String(cause) });
  }
  // A proxy in front may answer with a page of its own.
  const answer = await response.json().catch(() => ({ success: false }));
  if (response.ok && answer.success !== false) return answer;
  throw new ApiError(response.status, answer, Number(response.headers.get("Retry-After")) || 0);
}
