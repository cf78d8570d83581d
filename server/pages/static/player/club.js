// What the player's page knows of the club, and what the player can do there.
import { setCurrency } from "../format.js";
import { client, session } from "../hub.js";
import { coalesced, createStore } from "../store.js";

const DROPS_SHOWN = 20;
const LISTS = "lists";

/** `moves` counts up when the ledger has grown; `waiting` holds the prizes whose claim is queued. */
export const club = createStore({ cases: null, drops: [], me: client.snapshot, moves: 0, waiting: [] });

const grown = () => club.set(({ moves }) => ({ moves: moves + 1 }));

// --- The member --------------------------------------------------------------------

client.on("snapshot", (me) => {
  setCurrency(me?.currency);
  club.set({ me });
});
client.on("balance:updated", grown);

// --- The lists that everybody sees ---------------------------------------------------

// What is decided against it (signed out, too many) leaves the list as it is.
const quietly = (load) => coalesced((stale) => client.eventually(() => load(stale)).catch(() => {}));

const loadCases = quietly(async () => {
  const { cases } = await client.get("/api/cases");
  club.set({ cases });
});

const loadDrops = quietly(async (stale) => {
  const { drops } = await client.get(`/api/drops?limit=${DROPS_SHOWN}`);
  if (!stale()) club.set({ drops });
});

client.on("cases:updated", loadCases);
client.on("drop:new", (drop) => {
  loadDrops.touch();
  club.set(({ drops }) => ({ drops: [drop, ...drops.filter(({ id }) => id !== drop.id)].slice(0, DROPS_SHOWN) }));
});
client.on("resync", () => {
  loadCases();
  loadDrops();
  loadWaiting();
  grown();
});

// --- Memory for when there is no connection ----------------------------------------

let kept;
club.subscribe(({ cases, drops }) => {
  if (cases === null || (kept?.cases === cases && kept.drops === drops)) return;
  kept = { cases, drops };
  // A full disk leaves the page without a memory, not without its work.
  client.remember(LISTS, kept).catch(() => {});
});

client.recall(LISTS).then((lists) => {
  if (lists && club.get().cases === null) club.set(lists);
}, () => {});

// --- What a player does ---------------------------------------------------------------
// Balance and prizes are not taken from the answers: the events and the snapshot
// bring them in their order, an answer that was late would undo a newer one.

/** The hash of the club's seed for the next opening. */
export async function nextCommitment() {
  const { commitment } = await client.get("/api/cases/commitment");
  return commitment;
}

export const newSeed = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const openCase = (caseId, clientSeed) => client.money("/api/cases/open", { caseId, clientSeed });

/** Gives whether it is done; false if it waits for the connection. */
export async function claim(inventoryId) {
  const { queued } = await client.money("/api/inventory/claim", { inventoryId }, { queue: true });
  if (queued) await loadWaiting();
  return !queued;
}

async function loadWaiting() {
  const queued = session.get().user ? await client.queued().catch(() => []) : [];
  club.set({ waiting: queued.map(({ body }) => body.inventoryId) });
}
client.on("queue", loadWaiting);
client.on("session", loadWaiting);
loadWaiting();

export async function createPayment(amount) {
  const { payment } = await client.money("/api/payment/create", { amount });
  return payment;
}

export const drawOf = (openingId) => client.get(`/api/cases/openings/${openingId}`);

export const transactions = (before) =>
  client.get(`/api/transactions?limit=20${before ? `&before=${encodeURIComponent(before)}` : ""}`);
