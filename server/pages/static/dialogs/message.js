// One message, as it stands in a dialog.
import { clock } from "../format.js";
import { t } from "../i18n.js";
import { isStaff } from "../people.js";
import { sentence } from "../sentences.js";
import { html } from "../ui.js";
import { drop, retry } from "./outgoing.js";

function OnItsWay({ message, onEdit }) {
  const { state, error } = message;
  if (state !== "failed") return html`<span data-testid="message-state">${t(`message.${state}`)}</span>`;
  const edit = () => {
    drop(message.localId);
    onEdit(message.text);
  };
  return html`
    <span class="message-failed" role="alert" data-testid="message-state">${t("message.failed")} ${error && sentence(error)}</span>
    <button type="button" class="link" data-testid="message-retry" onClick=${() => retry(message)}>${t("message.retry")}</button>
    <button type="button" class="link" data-testid="message-edit" onClick=${edit}>${t("message.edit")}</button>`;
}

/** `isFirst`: of several by the same person, one after the other. */
export function Message({ message, user, isFirst, onEdit }) {
  const { sender, text, internal, at, state = "sent" } = message;
  const isMine = sender.id === user.id;
  const kinds = [isMine ? "mine" : "theirs", internal && "is-note", isStaff(sender) && "by-staff", isFirst && "first", state];
  return html`
    <li class="message ${kinds.filter(Boolean).join(" ")}" data-entry data-testid="message" data-message-id=${message.id} data-state=${state}
      data-internal=${internal}>
      <p class=${isFirst && !isMine ? "message-from" : "unseen"}>
        <bdi>${isMine ? t("dialogs.you") : sender.username}</bdi>
        ${isStaff(sender) && html`<span class="role">${t(`role.${sender.role}`)}</span>`}
      </p>
      ${internal && html`
        <p class="note-mark message-note">${t("message.note")}</p>`}
      <p class="message-text" dir="auto">${text}</p>
      <p class="message-foot">
        <time datetime=${at}>${clock(at)}</time>
        ${state !== "sent" && html`<${OnItsWay} message=${message} onEdit=${onEdit} />`}
      </p>
    </li>`;
}
