// Who is writing at the moment. It ends by itself, or with the message.
import { client, session } from "../hub.js";
import { createStore } from "../store.js";

const LASTS_MS = 5000;
const SAID_EVERY_MS = 3000; // oftener than it ends, so that it does not flicker

/** Ids of those who write, by the dialog's id. */
export const typing = createStore({});

const timers = new Map();

function begin({ dialogId, userId }) {
  if (userId === session.get().user?.id) return;
  const key = `${dialogId} ${userId}`;
  clearTimeout(timers.get(key));
  timers.set(key, setTimeout(() => end(dialogId, userId), LASTS_MS));
  typing.set((all) => ({ [dialogId]: [...(all[dialogId] ?? []).filter((id) => id !== userId), userId] }));
}

function end(dialogId, userId) {
  clearTimeout(timers.get(`${dialogId} ${userId}`));
  timers.delete(`${dialogId} ${userId}`);
  typing.set((all) => ({ [dialogId]: (all[dialogId] ?? []).filter((id) => id !== userId) }));
}

client.on("dialog:typing", begin);
client.on("new_message", ({ dialogId, sender }) => end(dialogId, sender.id));

const said = new Map();

/** To be called for every letter: the others are told every few seconds, where there is a socket. */
export function sayTyping(dialogId) {
  if (Date.now() - (said.get(dialogId) ?? 0) < SAID_EVERY_MS) return;
  said.set(dialogId, Date.now());
  client.emit("dialog:typing", { dialogId }).catch(() => {});
}

/** It ended with the message: the next letter begins anew. */
export const stopTyping = (dialogId) => said.delete(dialogId);
