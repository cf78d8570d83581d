// Where in the page one is. A dialog's address is #17; #new begins one, with whomever another page
// has named.
import { createStore, kept } from "../store.js";
import { open } from "./thread.js";

export const place = createStore({ id: null, isNew: false, to: null });

function follow() {
  const { hash } = location;
  if (/^#[1-9]\d{0,15}$/.test(hash)) place.set({ id: Number(hash.slice(1)), isNew: false });
  else if (hash === "#new") {
    place.set({ isNew: true, to: kept.read("writeTo") });
    kept.write("writeTo", null);
  } else if (hash === "") place.set({ id: null, isNew: false });
  // Other places in the page close nothing.
  open(place.get().id);
}
addEventListener("hashchange", follow);
follow();

/** A dialog's id, "new", or null for none. As a link would, but the focus stays where it is. */
export function go(where) {
  history.pushState(null, "", where === null ? location.pathname + location.search : `#${where}`);
  follow();
}
