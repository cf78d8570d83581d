// What the admin's page knows of the club, and what an admin or staff member can do there.
import { api } from "../api.js";
import { setCurrency } from "../format.js";
import { link } from "../link.js";
import { session } from "../session.js";
import { coalesced, createStore } from "../store.js";

const LOOK_EVERY_MS = 5000; // who is online changes without an event

const EMPTY = { cases: null, users: null, query: "", connections: null, at: null };
export const desk = createStore(EMPTY);

session.subscribe(({ token }) => token || desk.set(EMPTY));

const role = () => session.get().user?.role;
export const isAdmin = () => role() === "admin";
export const isStaff = () => isAdmin() || role() === "staff";

// A load that fails is not repeated here: the link loads everything when it is back.
const quietly = (load) => coalesced(() => load().catch(() => {}));

export const loadCases = quietly(async () => {
  const { cases } = await api.get("/api/admin/cases");
  desk.set({ cases });
});

export const loadUsers = quietly(async () => {
  const { query } = desk.get();
  const { users } = await api.get(`/api/admin/users?q=${encodeURIComponent(query)}&limit=20`);
  if (query === desk.get().query) desk.set({ users });
});

const loadConnections = quietly(async () => {
  const { connections } = await api.get("/api/admin/connections");
  desk.set({ connections, at: new Date().toISOString() });
});

const loadCurrency = quietly(async () => {
  setCurrency((await api.get("/api/balance")).currency);
  desk.set({}); // amounts are written anew
});

export function loadEverything() {
  if (!isStaff()) return;
  loadConnections();
  loadCurrency();
  if (!isAdmin()) return;
  loadCases();
  loadUsers();
}

export function hear(event) {
  if (event === "cases:updated" && isAdmin()) loadCases();
}

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
  if (id) await api.put(`/api/admin/cases/${id}`, box);
  else await api.post("/api/admin/cases", box);
  loadCases();
}

export async function deleteCase(id) {
  await api.delete(`/api/admin/cases/${id}`);
  loadCases();
}

/** `direction` is "add" or "subtract". Gives the new balance. */
export async function changeBalance(direction, userId, amount, reason) {
  const { balance } = await api.postMoney(`/api/admin/balance/${direction}`, { userId, amount, reason });
  loadUsers();
  return balance;
}

/** The prize with its `user`, the owner. */
export async function findPrize(id) {
  const { item, user } = await api.get(`/api/inventory/${id}`);
  return { ...item, user };
}

export async function setPrizeStatus(id, status) {
  const { item } = await api.put(`/api/inventory/${id}/status`, { status });
  return item;
}
