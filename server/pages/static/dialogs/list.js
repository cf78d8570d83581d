// The dialogs that the page knows, kept as they are by what is told of them.
import { client, onMember, session } from "../hub.js";
import { isStaff } from "../people.js";
import { coalesced, createStore } from "../store.js";

const KEPT = "dialogs";
const KEPT_AT_MOST = 50;

/**
 * `known` holds dialogs by id. `next` is where the list goes on, null at its end, undefined before
 * it was read; `state` is "loading", "ready" or "failed".
 */
const EMPTY = {
  known: {},
  next: undefined,
  state: "loading",
  status: "open",
  assignee: "",
  unreadFirst: false,
};

export const list = createStore(EMPTY);

const me = () => session.get().user;

// While a page is on its way, what is told of a dialog is newer than what the page says of it.
const onTheirWay = new Set();

async function read(path) {
  const told = new Set();
  onTheirWay.add(told);
  try {
    const answer = await client.get(path);
    return { ...answer, isOld: ({ id }) => told.has(id) };
  } finally {
    onTheirWay.delete(told);
  }
}

function put(dialogs) {
  list.set(({ known }) => ({ known: { ...known, ...Object.fromEntries(dialogs.map((one) => [one.id, one])) } }));
}

function told(id) {
  for (const ids of onTheirWay) ids.add(id);
}

client.on("dialog_update", (dialog) => {
  told(dialog.id);
  put([dialog]);
});
client.on("dialog:left", ({ dialogId }) => isStaff(me()) || forget(dialogId));

export function forget(dialogId) {
  told(dialogId);
  list.set(({ known: { [dialogId]: left, ...known } }) => ({ known }));
}

// --- Reading it ------------------------------------------------------------------------

function pathOf({ status, assignee }, before) {
  const query = new URLSearchParams();
  if (isStaff(me()) && status) query.set("status", status);
  if (isStaff(me()) && assignee) query.set("assignee", assignee);
  if (before) query.set("before", before);
  return `/api/dialogs?${query}`;
}

const sameQuestion = (filter) => pathOf(filter) === pathOf(list.get());

let fresh = true;

/** From its beginning; `fresh` also forgets what was known before. */
const load = coalesced(async () => {
  const filter = list.get();
  const isFresh = fresh;
  try {
    const page = await client.eventually(() => read(pathOf(filter)));
    if (!sameQuestion(filter)) return;
    if (isFresh) fresh = false;
    const found = page.dialogs.filter((dialog) => !page.isOld(dialog));
    list.set(({ known }) => {
      const kept = isFresh ? Object.values(known).filter(page.isOld) : Object.values(known);
      return {
        known: Object.fromEntries([...kept, ...found].map((one) => [one.id, one])),
        next: page.next,
        state: "ready",
      };
    });
  } catch {
    // What is decided against it (signed out) is told elsewhere.
    list.set({ state: "failed" });
  }
});

export function reload() {
  if (!me()) return;
  if (list.get().next === undefined) list.set({ state: "loading" });
  load();
}

export const more = coalesced(async () => {
  const filter = list.get();
  if (!filter.next) return;
  const page = await read(pathOf(filter, filter.next)).catch(() => null);
  if (!page || !sameQuestion(filter) || list.get().next !== filter.next) return;
  put(page.dialogs.filter((dialog) => !page.isOld(dialog)));
  list.set({ next: page.next });
});

/** One that a link leads to may stand further down. Raises: ApiError. */
export async function find(id) {
  const page = await client.eventually(() => read(`/api/dialogs/${id}`));
  if (page.isOld(page.dialog)) return;
  // It stays, whatever page is on its way without it.
  told(id);
  put([page.dialog]);
}

export function choose(filter) {
  list.set(filter);
  if ("status" in filter || "assignee" in filter) {
    list.set({ next: undefined, state: "loading" });
    reload();
  }
}

// --- What of it is shown ---------------------------------------------------------------

function isWanted(dialog, { status, assignee }) {
  if (!isStaff(me())) return true;
  if (status && dialog.status !== status) return false;
  if (assignee === "me") return dialog.assignee?.id === me().id;
  return assignee !== "none" || dialog.assignee === null;
}

/** In the order of their last messages. What is further down than was read yet waits for its turn. */
export function shown(state) {
  const floor = state.next ?? 0;
  return Object.values(state.known)
    .filter((dialog) => dialog.lastMessage.id >= floor && isWanted(dialog, state))
    .sort((a, b) => (state.unreadFirst && (b.unread > 0) - (a.unread > 0)) || b.lastMessage.id - a.lastMessage.id);
}

export const unreadDialogs = ({ known }) => Object.values(known).filter(({ unread }) => unread > 0).length;

// --- Who is signed in, and memory for when there is no connection -----------------------

onMember(() => {
  fresh = true;
  list.set(EMPTY);
});

client.on("resync", () => {
  fresh = true;
  reload();
});

let remembered;
list.subscribe(({ known, state }) => {
  if (state !== "ready" || remembered === known) return;
  remembered = known;
  const newest = Object.values(known).sort((a, b) => b.lastMessage.id - a.lastMessage.id);
  // A full disk leaves the page without a memory, not without its work.
  client.remember(KEPT, newest.slice(0, KEPT_AT_MOST)).catch(() => {});
});

client.recall(KEPT).then((dialogs) => {
  if (dialogs && me() && list.get().state === "loading") put(dialogs);
}, () => {});
