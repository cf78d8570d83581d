// The page's one real-time link, for the member who is signed in at the moment.
import { Realtime, TRANSPORTS } from "./realtime.js";
import { session } from "./session.js";
import { createStore } from "./store.js";

/** What the indicator shows: {state, transport}. */
export const link = createStore({ state: "reconnecting", transport: "" });

let realtime;

export function startLink({ onEvent, onFresh }) {
  // ?transport=… allows one transport only; tests see every way to connect with it.
  const wanted = new URLSearchParams(location.search).get("transport");
  realtime = new Realtime({
    transport: TRANSPORTS.includes(wanted) ? wanted : undefined,
    identity: session.identity,
    renew: session.renew,
    onEvent,
    onFresh,
    onState: (state) => link.set(state),
  });
  realtime.start();
  let token = session.get().token;
  session.subscribe((now) => {
    if (now.token === token) return;
    token = now.token;
    realtime.identityChanged();
  });
}

export const retryNow = () => realtime.retryNow();
