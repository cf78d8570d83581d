// The messages of the dialog that is open.
import { client, onMember, session } from "../hub.js";
import { coalesced, createStore } from "../store.js";
import { find, list } from "./list.js";

/**
 * `messages` are oldest first and without a gap; `next` is where earlier ones are, null at the
 * beginning. `state` is "loading", "ready", "missing" or "failed", `earlier` that of earlier ones.
 * `newFrom` is the first message that was unread when it was opened.
 */
const CLOSED = { id: null, messages: [], next: null, state: "loading", earlier: "ready", newFrom: null };

export const thread = createStore(CLOSED);

function merged(messages, others) {
  const all = new Map([...messages, ...others].map((message) => [message.id, message]));
  return [...all.values()].sort((a, b) => a.id - b.id);
}

/** A message that was told, or answered to whoever wrote it. */
export function arrived(message) {
  if (message.dialogId !== thread.get().id) return;
  thread.set(({ messages }) => ({ messages: merged(messages, [message]) }));
}
client.on("new_message", arrived);

const PAGE = 50;
const LARGEST_PAGE = 200;
const READ_SHOWN = 20; // of what was read before, so that one sees what the new is about

const pathOf = (id, limit, before) => `/api/dialogs/${id}/messages?limit=${limit}${before ? `&before=${before}` : ""}`;

export function open(id) {
  if (id === thread.get().id) return;
  thread.set({ ...CLOSED, id });
  load();
}

async function load({ again = false } = {}) {
  const { id } = thread.get();
  if (id === null || !session.get().user) return;
  try {
    if (again || !list.get().known[id]) await find(id);
    const { unread = 0 } = list.get().known[id] ?? {};
    const limit = Math.min(Math.max(PAGE, unread + READ_SHOWN), LARGEST_PAGE);
    const page = await client.eventually(() => client.get(pathOf(id, limit)));
    thread.set((now) => (now.id === id ? withNewest(now, page, unread) : {}));
  } catch (error) {
    thread.set((now) => (now.id === id ? { state: error.status === 404 ? "missing" : "failed" } : {}));
  }
}

/** What is known stays if the page reaches back to it; otherwise there would be a gap. */
function withNewest(now, page, unread) {
  const newest = page.messages.toReversed();
  const reaches = now.state === "ready" && newest[0].id <= (now.messages.at(-1)?.id ?? 0);
  if (reaches) return { messages: merged(now.messages, newest) };
  // Those that came while it was read follow it without a gap.
  const later = now.messages.filter(({ id }) => id > newest.at(-1).id);
  return {
    messages: [...newest, ...later],
    next: page.next,
    state: "ready",
    newFrom: (unread > 0 && newest.at(-unread)?.id) || null,
  };
}

export const loadAgain = () => {
  thread.set({ state: "loading" });
  load();
};

export const loadEarlier = coalesced(async () => {
  const { id, next } = thread.get();
  if (id === null || next === null) return;
  thread.set({ earlier: "loading" });
  try {
    const page = await client.get(pathOf(id, PAGE, next));
    thread.set((now) =>
      now.id === id && now.next === next
        ? { messages: merged(page.messages, now.messages), next: page.next, earlier: "ready" }
        : { earlier: "ready" });
  } catch {
    thread.set({ earlier: "failed" });
  }
});

// --- Reading ---------------------------------------------------------------------------

const asked = new Map();

/** Everything up to this message was seen. */
export async function seen(dialogId, messageId) {
  const unread = list.get().known[dialogId]?.unread;
  if (!unread || messageId <= (asked.get(dialogId) ?? 0)) return;
  asked.set(dialogId, messageId);
  try {
    await client.eventually(() => client.post(`/api/dialogs/${dialogId}/read`, { messageId }));
  } catch {
    // The dialog was left meanwhile, or somebody else is signed in.
    asked.delete(dialogId);
  }
}

client.on("resync", () => load({ again: true }));

onMember(() => {
  asked.clear();
  const { id } = thread.get();
  thread.set({ ...CLOSED, id });
});
