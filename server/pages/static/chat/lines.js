// What was said in the club's chat lately.
import { client } from "../hub.js";
import { coalesced, createStore } from "../store.js";

const SHOWN_AT_MOST = 500;
const KEPT_AT_MOST = 50;
const KEPT = "chat";

/** `messages` are oldest first, null before they are known; `next` is where earlier ones are. */
export const lines = createStore({ messages: null, next: null, state: "loading" });

// An answer that was on its way may bring back what was removed.
const removed = new Set();

function joined(...parts) {
  const all = new Map(parts.flat().map((message) => [message.id, message]));
  return [...all.values()].filter(({ id }) => !removed.has(id)).sort((a, b) => a.id - b.id);
}

/** A message that was told, or answered to whoever wrote it. */
export function arrived(message) {
  lines.set(({ messages, next }) => {
    const all = joined(messages ?? [], [message]);
    if (all.length <= SHOWN_AT_MOST) return { messages: all };
    const left = all.slice(-SHOWN_AT_MOST / 2);
    return { messages: left, next: left[0].id };
  });
}

client.on("chat:message", arrived);
client.on("chat:removed", ({ id }) => {
  removed.add(id);
  lines.set(({ messages }) => ({ messages: messages && joined(messages) }));
});

export const reload = coalesced(async () => {
  try {
    const page = await client.eventually(() => client.get("/api/chat"));
    const newest = page.messages[0]?.id ?? 0;
    lines.set(({ messages }) => ({
      // What came while it was read follows it; what stood here before may have been removed.
      messages: joined(page.messages, (messages ?? []).filter(({ id }) => id > newest)),
      next: page.next,
      state: "ready",
    }));
    // A full disk leaves the page without a memory, not without its work.
    client.remember(KEPT, lines.get().messages.slice(-KEPT_AT_MOST)).catch(() => {});
  } catch {
    lines.set({ state: "failed" });
  }
});
client.on("resync", reload);

/** Raises: ApiError. */
export async function earlier() {
  const { next } = lines.get();
  const page = await client.get(`/api/chat?before=${next}`);
  lines.set((now) => (now.next === next ? { messages: joined(page.messages, now.messages), next: page.next } : {}));
}

client.recall(KEPT).then((messages) => {
  if (messages && lines.get().messages === null) lines.set({ messages });
}, () => {});

// --- What one does there -----------------------------------------------------------------
// Not queued: what was said to the room an hour ago is not what one means to say now.

export async function say(text) {
  const { message } = await client.money("/api/chat", { text });
  arrived(message);
}

export const remove = (id) => client.delete(`/api/chat/${id}`);

/** Gives until when. */
export async function mute(userId, minutes) {
  const { until } = await client.post("/api/chat/mutes", { userId, minutes });
  return until;
}
