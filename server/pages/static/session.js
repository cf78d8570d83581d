// Who is signed in at this browser. Kept over reloads and shared by its tabs.
import { request } from "./http.js";
import { createStore, kept } from "./store.js";

const NOBODY = { token: null, expiresAt: null, user: null, ended: false };

export const session = createStore(kept.read("session") ?? NOBODY);

function keep(next) {
  kept.write("session", next.token ? next : null);
  session.set(next);
}

async function enter(path, username, password) {
  const { token, expiresAt, user } = await request("POST", path, { body: { username, password } });
  keep({ token, expiresAt, user, ended: false });
}

session.signIn = (username, password) => enter("/api/auth/login", username, password);
session.register = (username, password) => enter("/api/auth/register", username, password);
session.signOut = () => keep(NOBODY);

/** The server refused this token; the page then says why it asks for a password again. */
session.refused = (token) => {
  // One that was replaced meanwhile says nothing about the session.
  if (token && token === session.get().token) keep({ ...NOBODY, ended: true });
};

/** The identity for the real-time link, or null. */
session.identity = () => {
  const { token, expiresAt, user } = session.get();
  return token ? { userId: user.id, token, expiresAt } : null;
};

/** A new token for the same member; null when the session is over. Rejects when nobody answered. */
session.renew = async () => {
  const { token } = session.get();
  if (!token) return null;
  try {
    const fresh = await request("POST", "/api/auth/refresh", { token });
    // It may have ended, or another tab may have renewed it, while this was under way.
    if (session.get().token === token) {
      keep({ ...session.get(), token: fresh.token, expiresAt: fresh.expiresAt });
    }
  } catch (error) {
    if (error.status !== 401) throw error;
    session.refused(token);
  }
  return session.identity();
};

addEventListener("storage", (change) => {
  if (change.key === "cyberhub.session") session.set(kept.read("session") ?? NOBODY);
});
