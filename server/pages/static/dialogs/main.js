// The page of dialogs: a member's own, or the staff's inbox.
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { client, session } from "../hub.js";
import { language, t } from "../i18n.js";
import { plain } from "../people.js";
import { SignIn } from "../signin.js";
import { useSpoken } from "../spoken.js";
import { createStore, useStore } from "../store.js";
import { TopBar, WaitBanner } from "../topbar.js";
import { html, Toasts } from "../ui.js";
import { Conversation } from "./conversation.js";
import { Inbox } from "./inbox.js";
import { list, unreadDialogs } from "./list.js";
import { NewDialog } from "./new.js";
import { go, place } from "./place.js";
import { thread } from "./thread.js";
import { titleOf } from "./words.js";

/** The last message of somebody else's, for those who listen to the page. */
const heard = createStore({ message: null });
client.on("new_message", (message) => message.sender.id !== session.get().user?.id && heard.set({ message }));

function Told({ user }) {
  const { message } = useStore(heard);
  const spoken = useSpoken(message?.id, () => {
    const { dialogId, sender, text } = message;
    if (dialogId === thread.get().id) return t("dialog.says", { name: plain(sender.username), text: plain(text) });
    const dialog = list.get().known[dialogId];
    return dialog ? t("dialog.saysElsewhere", { title: plain(titleOf(dialog, user)) }) : "";
  });
  return html`<p class="unseen" aria-live="polite" data-testid="told">${spoken}</p>`;
}

function Desk({ user }) {
  const { id, isNew, to } = useStore(place);
  const { known } = useStore(list);
  const leave = () => {
    go(null);
    document.getElementById(`dialog-${id}`)?.focus();
  };
  return html`
    <${Inbox} user=${user} openId=${id} onNew=${() => go("new")} />
    <${Conversation} id=${id} dialog=${known[id]} user=${user} onClose=${leave} />
    ${isNew && html`<${NewDialog} user=${user} to=${to} onClose=${() => go(id)} />`}
    <${Told} user=${user} />`;
}

function Page() {
  useStore(language);
  const { user } = useStore(session);
  const { id } = useStore(place);
  const unread = unreadDialogs(useStore(list));
  useEffect(() => {
    document.title = (unread ? `(${unread}) ` : "") + t("title.dialogs");
  });
  return html`
    <${TopBar} page="dialogs" />
    <${WaitBanner} />
    <main id="content" class=${user ? "talk" : "talk-guest"} data-open=${id !== null} tabindex="-1">
      ${user ? html`<${Desk} key=${user.id} user=${user} />` : html`<${SignIn} title=${t("dialogs")} lead=${t("dialogs.lead")} />`}
    </main>
    <${Toasts} />`;
}

render(html`<${Page} />`, document.getElementById("app"));
client.start();
