// What a dialog is about, who is in it, and what the staff do with it.
import { useState } from "preact/hooks";
import { client } from "../hub.js";
import { t } from "../i18n.js";
import { isStaff } from "../people.js";
import { Action, complain, Confirm, html } from "../ui.js";
import { forget } from "./list.js";
import { go } from "./place.js";
import { titleOf } from "./words.js";

const STATUSES = ["open", "pending", "resolved"];

function Tools({ dialog, user }) {
  const edit = (change) => client.patch(`/api/dialogs/${dialog.id}`, change).catch(complain);
  const isMine = dialog.assignee?.id === user.id;
  const choose = async (event) => {
    const { value } = event.target;
    await edit({ status: value });
    // Where it was refused, the list goes back to what is true.
    event.target.value = dialog.status;
  };
  return html`
    <div class="thread-tools">
      <select data-testid="dialog-status" aria-label=${t("dialogs.filter")} value=${dialog.status} onChange=${choose}>
        ${STATUSES.map((status) => html`<option key=${status} value=${status} selected=${status === dialog.status}>${t(`dialog.status.${status}`)}</option>`)}
      </select>
      <${Action} kind="slim" testid=${isMine ? "dialog-give-back" : "dialog-take"} onClick=${() => edit({ assigneeId: isMine ? null : user.id })}>
        ${t(isMine ? "dialog.giveBack" : "dialog.take")}
      <//>
    </div>`;
}

function Leave({ dialog, user }) {
  const [asking, setAsking] = useState(false);
  const leave = async () => {
    await client.delete(`/api/dialogs/${dialog.id}/members/${user.id}`);
    forget(dialog.id);
    go(null);
  };
  return html`
    <button type="button" class="button slim" data-testid="dialog-leave" onClick=${() => setAsking(true)}>${t("dialog.leave")}</button>
    ${asking && html`
      <${Confirm} title=${t("dialog.leave.title")} text=${t("dialog.leave.ask")} yes=${t("dialog.leave")} kind="danger"
        testid="dialog-leave-confirm" onYes=${leave} onClose=${() => setAsking(false)} />`}`;
}

export function Head({ dialog, user, heading, onClose }) {
  const staff = isStaff(user);
  const { assignee, members, status } = dialog;
  const others = members.filter(({ id }) => id !== user.id);
  const people = staff || others.length === 0 ? others : [{ id: user.id, username: t("dialogs.you") }, ...others];
  return html`
    <header class="thread-head">
      <button type="button" class="icon thread-back" data-testid="dialog-close" aria-label=${t("dialogs.back")} title=${t("dialogs.back")} onClick=${onClose}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M14 5l-7 7 7 7" /></svg>
      </button>
      <div class="thread-words">
        <h2 id="thread-title" tabindex="-1" ref=${heading} data-testid="dialog-title" dir="auto">${titleOf(dialog, user)}</h2>
        <p class="quiet">
          ${!staff && html`<span class="status ${status}">${t(`dialog.status.${status}`)}</span>`}
          ${!staff && html`<span>${t("dialogs.staff")}</span>`}
          ${people.map((one) => html`<bdi key=${one.id}>${one.username}</bdi>`)}
          ${staff && html`<span data-testid="dialog-assignee">${!assignee ? t("dialog.free") : assignee.id === user.id ? t("dialog.taken.me") : html`<bdi>${t("dialog.taken", { name: assignee.username })}</bdi>`}</span>`}
        </p>
      </div>
      ${staff ? html`<${Tools} dialog=${dialog} user=${user} />` : html`<${Leave} dialog=${dialog} user=${user} />`}
    </header>`;
}
