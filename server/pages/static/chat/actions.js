// What one can do about a message of the chat: write to its author; for staff, keep the chat clean.
import { useState } from "preact/hooks";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { isStaff, plain } from "../people.js";
import { kept } from "../store.js";
import { Action, Dialog, ErrorNote, html, toast } from "../ui.js";
import { mute, remove } from "./lines.js";

const MINUTES = [10, 60, 1440];

export function Actions({ message, user, onClose }) {
  const [error, setError] = useState(null);
  const name = plain(message.user.username);
  const isOwn = message.user.id === user.id;
  const act = (work) => async () => {
    setError(null);
    try {
      toast(await work());
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  const takeOut = async () => {
    await remove(message.id);
    return t("chat.removed");
  };
  const silence = (minutes) => async () => t("chat.muted", { name, time: moment(await mute(message.user.id, minutes)) });
  const write = () => {
    kept.write("writeTo", message.user);
    location.href = "/dialogs#new";
  };
  return html`
    <${Dialog} label=${t("chat.act.title", { name })} kind="small" testid="chat-actions" onClose=${onClose}>
      <h2 class="chat-actions-name"><bdi>${message.user.username}</bdi></h2>
      <blockquote dir="auto">${message.text}</blockquote>
      <${ErrorNote} error=${error} />
      ${!isOwn && html`<button type="button" class="button" data-testid="chat-write" onClick=${write}>${t("chat.write", { name })}</button>`}
      ${isStaff(user) && html`<${Action} kind="danger" testid="chat-remove" onClick=${act(takeOut)}>${t("chat.remove")}<//>`}
      ${isStaff(user) && !isOwn && html`
        <fieldset class="chat-mutes">
          <legend>${t("chat.mute", { name })}</legend>
          <div class="row">
            ${MINUTES.map((minutes) => html`<${Action} key=${minutes} kind="slim" testid=${`chat-mute-${minutes}`} onClick=${act(silence(minutes))}>${t(`chat.mute.${minutes}`)}<//>`)}
          </div>
        </fieldset>`}
    <//>`;
}
