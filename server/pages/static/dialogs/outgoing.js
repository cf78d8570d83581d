// Messages on their way: shown at once, sent in the order they were written, kept while there is
// no connection. Their `localId` makes it safe to send one again: the club writes it once.
import { client, onMember, session } from "../hub.js";
import { createStore } from "../store.js";
import { arrived } from "./thread.js";

const PATH = /^\/api\/dialogs\/(\d+)\/messages$/;

/** `messages` are {localId, dialogId, text, internal, at, state, error}; `state` is "sending", "waiting" or "failed". */
export const outgoing = createStore({ messages: [] });

const change = (localId, part) =>
  outgoing.set(({ messages }) => ({
    messages: messages.map((one) => (one.localId === localId ? { ...one, ...part } : one)),
  }));

export const drop = (localId) =>
  outgoing.set(({ messages }) => ({ messages: messages.filter((one) => one.localId !== localId) }));

function written(message) {
  arrived(message);
  drop(message.localId);
}

/** crypto.randomUUID exists on secure origins only. */
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export function send(dialogId, text, internal) {
  const message = { localId: newId(), dialogId, text, internal, at: new Date().toISOString(), state: "sending" };
  outgoing.set(({ messages }) => ({ messages: [...messages, message] }));
  return deliver(message);
}

export function retry(message) {
  change(message.localId, { state: "sending", error: null });
  return deliver(message);
}

const turns = new Map();

/** One after the other: two on their way at once could arrive the other way round. */
function deliver(message) {
  const turn = (turns.get(message.dialogId) ?? Promise.resolve()).then(() => attempt(message));
  turns.set(message.dialogId, turn);
  return turn;
}

async function attempt({ localId, dialogId, text, internal }) {
  const body = internal ? { text, localId, internal } : { text, localId };
  try {
    const answer = await client.money(`/api/dialogs/${dialogId}/messages`, body, { queue: true, key: localId });
    if (answer.queued) change(localId, { state: "waiting" });
    else written(answer.message);
  } catch (error) {
    change(localId, { state: "failed", error });
  }
}

client.on("queue", ({ path, body, answer, error }) => {
  if (!PATH.test(path)) return;
  if (answer) written(answer.message);
  else change(body.localId, { state: "failed", error });
});

// Another tab of this browser, or this one before it was loaded again, may have queued some.
async function recall() {
  const { user } = session.get();
  const queued = user ? await client.queued().catch(() => []) : [];
  if (session.get().user?.id !== user?.id) return;
  const waiting = queued
    .filter(({ path }) => PATH.test(path))
    .map(({ path, body, at }) => ({
      ...body,
      dialogId: Number(PATH.exec(path)[1]),
      internal: body.internal ?? false,
      at: new Date(at).toISOString(),
      state: "waiting",
    }));
  outgoing.set(({ messages }) => {
    const here = new Set(messages.map(({ localId }) => localId));
    return { messages: [...waiting.filter(({ localId }) => !here.has(localId)), ...messages] };
  });
}

client.on("new_message", ({ localId, sender }) => {
  if (localId !== null && sender.id === session.get().user?.id) drop(localId);
});

onMember(() => {
  outgoing.set({ messages: [] });
  recall();
});
recall();
