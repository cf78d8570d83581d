// What the player's page knows of the club, and what the player can do there.
import { api, randomKey } from "../api.js";
import { setCurrency } from "../format.js";
import { link } from "../link.js";
import { session } from "../session.js";
import { coalesced, createStore, kept } from "../store.js";

const DROPS_SHOWN = 20;

const remembered = kept.read("club") ?? {};
const mine = remembered.me?.user.id === session.get().user?.id;

/** `at`: when this was last known to be true. `moves` counts up when the ledger has grown. */
export const club = createStore({
  cases: remembered.cases ?? null,
  drops: remembered.drops ?? [],
  me: mine ? remembered.me : null,
  at: remembered.at ?? null,
  moves: 0,
});

// --- Memory for when there is no connection ---------------------------------

let saving;
function save() {
  clearTimeout(saving);
  saving = undefined;
  const { cases, drops, me, at } = club.get();
  kept.write("club", { cases, drops, me, at: link.get().state === "online" ? new Date().toISOString() : at });
}
club.subscribe(() => {
  // Several changes come together; one write a moment later holds them all.
  clearTimeout(saving);
  saving = setTimeout(save, 200);
});
// The moment does not come for a page that is left before it.
addEventListener("pagehide", () => saving && save());

let wasOnline = false;
link.subscribe(({ state }) => {
  if (wasOnline && state !== "online") club.set({ at: new Date().toISOString() });
  wasOnline = state === "online";
});

session.subscribe(({ user }) => {
  const { me } = club.get();
  if (me && me.user.id !== user?.id) club.set({ me: null });
});

// --- The snapshot -------------------------------------------------------------

// A load that fails is not repeated here: the link loads everything when it is back.
const quietly = (load) => coalesced((stale) => load(stale).catch(() => {}));

export const loadCases = quietly(async () => {
  const { cases } = await api.get("/api/cases");
  club.set({ cases });
});

const loadDrops = quietly(async (stale) => {
  const { drops } = await api.get(`/api/drops?limit=${DROPS_SHOWN}`);
  if (!stale()) club.set({ drops });
});

export const loadMe = quietly(async (stale) => {
  const { token, user: signedIn } = session.get();
  if (!token) return;
  const { user, balance, currency, inventory } = await api.get("/api/me");
  // Newer news came meanwhile (it is loaded again), or the member has left.
  if (stale() || session.get().user?.id !== signedIn.id) return;
  setCurrency(currency);
  club.set({ me: { user, balance, currency, inventory } });
});

/** After every (re)connection: whatever happened in between is in the snapshot. */
export function loadEverything() {
  loadCases();
  loadDrops();
  loadMe().then(() => club.set(({ moves }) => ({ moves: moves + 1 })));
}

export function hear(event, data) {
  const id = session.get().user?.id;
  if (event === "cases:updated") {
    loadCases();
  } else if (event === `balance:updated:${id}`) {
    loadMe.touch();
    club.set(({ me, moves }) => ({ me: me && { ...me, balance: data.balance }, moves: moves + 1 }));
  } else if (event === `inventory:updated:${id}`) {
    loadMe();
  } else if (event === "drop:new") {
    loadDrops.touch();
    club.set(({ drops }) => ({
      drops: [data, ...drops.filter((drop) => drop.id !== data.id)].slice(0, DROPS_SHOWN),
    }));
  }
}

// --- What a player does ---------------------------------------------------------
// Balance and prizes are not taken from the answers: the events and the snapshot
// bring them in their order, an answer that was late would undo a newer one.

/** The hash of the club's seed for the next opening. */
export async function nextCommitment() {
  const { commitment } = await api.get("/api/cases/commitment");
  return commitment;
}

export const newSeed = () => randomKey().replaceAll("-", "");

export async function openCase(caseId, clientSeed) {
  const answer = await api.postMoney("/api/cases/open", { caseId, clientSeed });
  loadMe();
  return answer;
}

export async function claim(inventoryId) {
  await api.postMoney("/api/inventory/claim", { inventoryId });
  loadMe();
}

export async function createPayment(amount) {
  const { payment } = await api.postMoney("/api/payment/create", { amount });
  return payment;
}

export const drawOf = (openingId) => api.get(`/api/cases/openings/${openingId}`);

export const transactions = (before) =>
  api.get(`/api/transactions?limit=20${before ? `&before=${encodeURIComponent(before)}` : ""}`);
