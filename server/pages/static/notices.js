// The member's notifications: the newest of them, how many are unread, which kinds are wanted.
import { client, session } from "./hub.js";
import { coalesced, createStore } from "./store.js";

const PAGE = 20;
const LIST = "notices";

/** `list` is null until it is known; `more`: older ones are there; `news`: what came last, live. */
const EMPTY = { list: null, unread: 0, more: false, failed: false, news: null, preferences: null };
export const notices = createStore(EMPTY);

const whoIs = () => session.get().user?.id ?? null;

// Every way back to the truth is this one: an entry may have taken another's place, or be
// unwanted, or read elsewhere, and the club knows.
const load = coalesced(async (stale) => {
  const who = whoIs();
  if (who === null) return;
  try {
    const { notifications, unread } = await client.eventually(() => client.get(`/api/notifications?limit=${PAGE}`));
    if (stale() || who !== whoIs()) return;
    notices.set(({ list, more }) => joined(notifications, list, more, unread));
    const { list } = notices.get();
    // A full disk leaves the page without a memory, not without its work.
    client.remember(LIST, { list: list.slice(0, PAGE), unread }).catch(() => {});
  } catch {
    // Decided against it: signed out is told elsewhere.
    if (who === whoIs()) notices.set({ failed: true });
  }
});

/** The newest page in front of the older ones that were loaded before, if nothing is between them. */
function joined(page, list, more, unread) {
  const oldest = page.at(-1)?.id;
  const older = page.length === PAGE && oldest <= list?.[0]?.id ? list.filter(({ id }) => id < oldest) : [];
  return { list: [...page, ...older], unread, more: older.length ? more : page.length === PAGE, failed: false };
}

export async function loadMore() {
  const who = whoIs();
  const before = notices.get().list.at(-1).id;
  const { notifications } = await client.get(`/api/notifications?limit=${PAGE}&before=${before}`);
  if (who !== whoIs()) return;
  notices.set(({ list }) => ({
    list: [...list, ...notifications.filter(({ id }) => id < list.at(-1).id)],
    more: notifications.length === PAGE,
  }));
}

export const reload = () => load();

const isRead = (upTo) => (entry) => (entry.id <= upTo && !entry.read ? { ...entry, read: true } : entry);

/** Takes all that is in the list as read, here and on the member's other devices. */
export const readAll = coalesced(async () => {
  const newest = notices.get().list?.[0];
  if (!newest || newest.read) return;
  await client.eventually(() => client.post("/api/notifications/read", { upTo: newest.id })).catch(() => {});
});

client.on("notification:new", (news) => {
  load.touch();
  notices.set({ news });
  load();
});
client.on("notification:read", ({ upTo, unread }) => {
  load.touch();
  notices.set(({ list }) => ({ list: list && list.map(isRead(upTo)), unread }));
});
client.on("resync", () => load());

let who = whoIs();
session.subscribe(() => {
  if (who === whoIs()) return;
  who = whoIs();
  notices.set(EMPTY);
});

client.recall(LIST).then((known) => {
  if (known && notices.get().list === null && whoIs() !== null) notices.set(known);
}, () => {});

// --- Preferences -------------------------------------------------------------------------

export async function loadPreferences() {
  const { preferences } = await client.get("/api/notifications/preferences");
  notices.set({ preferences });
}

export async function prefer(kind, wanted) {
  const { preferences } = await client.put("/api/notifications/preferences", { preferences: { [kind]: wanted } });
  notices.set({ preferences });
}
