// What the calendar's page knows of events, and what a member can do with them.
import { client, link, session } from "../hub.js";
import { isStaff } from "../people.js";
import { coalesced, createStore } from "../store.js";

const PLANS = "plans";
const PAGE = 200;
const MOST_PAGES = 5;
// Public events are told to those who take part; others find a new one by looking.
const LOOK_EVERY_MS = 60_000;

/** `events` by id; `known`: the time of which they are all there, as [from, to] in milliseconds. */
const EMPTY = { events: {}, known: null, failed: null };
export const plans = createStore(EMPTY);

const whoIs = () => session.get().user?.id ?? null;
// crypto.randomUUID exists on secure origins only.
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

let wanted = null;

const put = (event) => plans.set(({ events }) => ({ events: { ...events, [event.id]: event } }));

const drop = (id) =>
  plans.set(({ events }) => {
    const { [id]: _, ...rest } = events;
    return { events: rest };
  });

// --- Loading -----------------------------------------------------------------------------

async function read([from, to]) {
  const query = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}&limit=${PAGE}`;
  const found = [];
  let next = null;
  for (let page = 0; page < MOST_PAGES && (page === 0 || next !== null); page++) {
    const answer = await client.get(`/api/events?${query}${next === null ? "" : `&after=${next}`}`);
    found.push(...answer.events);
    next = answer.next;
  }
  return found;
}

const isWithin = (event, [from, to]) => new Date(event.startsAt) < to && new Date(event.endsAt) > from;

const load = coalesced(async (stale) => {
  const [who, time] = [whoIs(), wanted];
  if (who === null || time === null) return;
  try {
    const found = await client.eventually(() => read(time));
    if (stale() || who !== whoIs()) return;
    const elsewhere = Object.values(plans.get().events).filter((event) => !isWithin(event, time));
    const events = Object.fromEntries([...elsewhere, ...found].map((event) => [event.id, event]));
    plans.set({ events, known: time, failed: null });
    // A full disk leaves the page without a memory, not without its work.
    client.remember(PLANS, { events, known: time }).catch(() => {});
  } catch (failed) {
    if (who === whoIs()) plans.set({ failed });
  }
});

export const reload = () => load();

/** From now on the page shows this time: [from, to] in milliseconds. */
export function look(time) {
  if (wanted && wanted[0] === time[0] && wanted[1] === time[1]) return;
  wanted = time;
  load();
}

const asked = new Set();

const loadAsked = coalesced(async () => {
  for (const id of asked) {
    asked.delete(id);
    await client.eventually(() => loadOne(id)).catch((error) => error.status === 404 && drop(id));
  }
});

/** One event, also of another time. Raises: ApiError. */
export async function loadOne(id) {
  const who = whoIs();
  const { event } = await client.get(`/api/events/${id}`);
  if (who === whoIs()) put(event);
  return event;
}

function refresh(id) {
  load.touch();
  asked.add(id);
  loadAsked();
}

// --- What is told ------------------------------------------------------------------------

// Facts are shown at once; who comes and what overlaps is asked for.
function tell(facts) {
  const before = plans.get().events[facts.id];
  if (before && before.sequence <= facts.sequence) put({ ...before, ...facts });
  refresh(facts.id);
}

client.on("event:updated", tell);
client.on("event:cancelled", tell);
client.on("invitation:new", tell);
client.on("participant:updated", ({ eventId, ...answer }) => {
  const event = plans.get().events[eventId];
  if (event) {
    const participants = event.participants.map((each) => (each.userId === answer.userId ? answer : each));
    put({ ...event, participants });
  }
  refresh(eventId);
  // With an own answer other events overlap with what is planned.
  if (answer.userId === whoIs()) load();
});
client.on("resync", () => load());

setInterval(() => !document.hidden && link.get().state === "online" && load(), LOOK_EVERY_MS);
document.addEventListener("visibilitychange", () => !document.hidden && link.get().state === "online" && load());

let who = whoIs();
session.subscribe(() => {
  if (who === whoIs()) return;
  who = whoIs();
  plans.set(EMPTY);
});

client.recall(PLANS).then((kept) => {
  if (kept && plans.get().known === null && whoIs() !== null) plans.set(kept);
}, () => {});

// --- What a member does ------------------------------------------------------------------

// What was sent and not decided; pressed again it is the same, and made once.
let undecided = null;

async function create(draft) {
  const sent = JSON.stringify(draft);
  if (undecided?.sent !== sent) undecided = { sent, key: newKey() };
  const answer = await client.money("/api/events", draft, { key: undecided.key });
  undecided = null;
  return answer;
}

/** `draft` with an id is a change. Gives the event. Raises: ApiError. */
export async function save({ id, ...draft }) {
  const { event } = await (id ? client.put(`/api/events/${id}`, draft) : create(draft));
  load.touch();
  put(event);
  return event;
}

export async function cancel(id) {
  const { event } = await client.delete(`/api/events/${id}`);
  load.touch();
  put(event);
}

export async function answer(id, status) {
  await client.put(`/api/events/${id}/participants/me`, { status });
  refresh(id);
  load();
}

export async function invite(id, userIds) {
  await client.post(`/api/events/${id}/invitations`, { userIds });
  refresh(id);
}

/** {id, username} of exactly this name. Raises: ApiError. */
export async function findMember(username) {
  const { member } = await client.get(`/api/members?username=${encodeURIComponent(username)}`);
  return member;
}

export const feedAddress = async () => (await client.get("/api/calendar/secret")).url;
export const newFeedAddress = async () => (await client.post("/api/calendar/secret")).url;

// --- What an event means to somebody -----------------------------------------------------

export const ownPart = (event, user) => event.participants.find(({ userId }) => userId === user?.id);

/** cancelled, own status, waiting, or open: what a mark says of it. */
export function meaning(event, user) {
  if (event.cancelled) return "cancelled";
  const own = ownPart(event, user);
  if (own) return own.waitlisted ? "waiting" : own.status;
  return event.owner.id === user?.id ? "own" : "open";
}

export const isOver = (event) => new Date(event.endsAt) <= Date.now();
export const mayChange = (event, user) => event.owner.id === user?.id || isStaff(user);

const isSeated = ({ status, waitlisted }) => status === "accepted" && !waitlisted;
export const seated = (event) => event.participants.filter(isSeated);
/** Those who wait for a seat, in their order. */
export const waiting = (event) => event.participants.filter(({ waitlisted }) => waitlisted);

export const byStart = (a, b) => new Date(a.startsAt) - new Date(b.startsAt) || a.id - b.id;
