// What the admin's page knows of the club, and what an admin or staff member can do there.
import { setCurrency } from "../format.js";
import { client, link, session } from "../hub.js";
import { coalesced, createStore } from "../store.js";

const LOOK_EVERY_MS = 5000; // who is online changes without an event

const EMPTY = { cases: null, users: null, query: "", connections: null };
export const desk = createStore(EMPTY);

session.subscribe(({ token }) => token || desk.set(EMPTY));

const role = () => session.get().user?.role;
export const isAdmin = () => role() === "admin";
export const isStaff = () => isAdmin() || role() === "staff";

// What is decided against it (signed out, forbidden) is told elsewhere.
const quietly = (load) => coalesced(() => client.eventually(load).catch(() => {}));

export const loadCases = quietly(async () => {
  const { cases } = await client.get("/api/admin/cases");
  desk.set({ cases });
});

export const loadUsers = quietly(async () => {
  const { query } = desk.get();
  const { users } = await client.get(`/api/admin/users?q=${encodeURIComponent(query)}&limit=20`);
  if (query === desk.get().query) desk.set({ users });
});

const loadConnections = quietly(async () => {
  const { connections } = await client.get("/api/admin/connections");
  desk.set({ connections });
});

const loadCurrency = quietly(async () => {
  setCurrency((await client.get("/api/balance")).currency);
  desk.set({}); // amounts are written anew
});

client.on("resync", loadEverything);

function loadEverything() {
  if (!isStaff()) return;
  loadConnections();
  loadCurrency();
  if (!isAdmin()) return;
  loadCases();
  loadUsers();
}

client.on("cases:updated", () => isAdmin() && loadCases());

setInterval(() => {
  if (document.hidden || link.get().state !== "online" || !isStaff()) return;
  loadConnections();
  // Balances of others change without telling us.
  if (isAdmin()) loadUsers();
}, LOOK_EVERY_MS);

export function search(query) {
  desk.set({ query });
  return loadUsers();
}

/** `box` without an id is a new one. */
export async function saveCase({ id, ...box }) {
  if (id) await client.put(`/api/admin/cases/${id}`, box);
  else await client.post("/api/admin/cases", box);
  loadCases();
}

export async function deleteCase(id) {
  await client.delete(`/api/admin/cases/${id}`);
  loadCases();
}

/** `direction` is "add" or "subtract". Gives the new balance. */
export async function changeBalance(direction, userId, amount, reason) {
  const { balance } = await client.money(`/api/admin/balance/${direction}`, { userId, amount, reason });
  loadUsers();
  return balance;
}

/** The prize with its `user`, the owner. */
export async function findPrize(id) {
  const { item, user } = await client.get(`/api/inventory/${id}`);
  return { ...item, user };
}

export async function setPrizeStatus(id, status) {
  const { item } = await client.put(`/api/inventory/${id}/status`, { status });
  return item;
}
