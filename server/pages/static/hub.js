// The page's connection to the club, by the kit, and what components draw of it.
import { CyberHub } from "cyberhub-client";
import { createStore } from "./store.js";

// ?transport=… allows one transport only; tests see every way to connect with it.
const wanted = new URLSearchParams(location.search).get("transport");

export const client = new CyberHub({
  transport: ["websocket", "polling", "updates"].includes(wanted) ? wanted : undefined,
});

/** What the indicator shows: {state, via, retryAt}. */
export const link = createStore(client.state);
client.on("state", link.set);

/** Who is signed in: {token, user, ended}. */
export const session = createStore(client.session);
client.on("session", session.set);

/** Called with the member, or null, whenever somebody else is signed in than before. */
export function onMember(listener) {
  let known = session.get().user?.id;
  session.subscribe(({ user }) => {
    if (user?.id === known) return;
    known = user?.id;
    listener(user);
  });
}
