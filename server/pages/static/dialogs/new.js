// Beginning a dialog: with the staff, and with members who are named exactly.
import { useState } from "preact/hooks";
import { client } from "../hub.js";
import { t } from "../i18n.js";
import { isStaff } from "../people.js";
import { Action, Dialog, ErrorNote, Field, html } from "../ui.js";
import { go } from "./place.js";

function People({ people, staff, autofocus, onChange }) {
  const [name, setName] = useState("");
  const [error, setError] = useState(null);
  const add = async () => {
    const username = name.trim();
    if (!username) return;
    setError(null);
    try {
      const { member } = await client.get(`/api/members?username=${encodeURIComponent(username)}`);
      if (!people.some(({ id }) => id === member.id)) onChange([...people, member]);
      setName("");
    } catch (problem) {
      setError(problem.code === "user_not_found" ? new Error(t("new.to.none", { name: username })) : problem);
    }
  };
  const press = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  };
  return html`
    <div class="new-people">
      <p class="new-to"><span class="quiet">${t("new.to")}:</span>
        ${!staff && html`<span class="chip">${t("dialogs.staff")}</span>`}
        ${people.map((one) => html`
          <span key=${one.id} class="chip" data-testid="new-person"><bdi>${one.username}</bdi>
            <button type="button" aria-label=${t("new.to.remove", { name: one.username })} onClick=${() => onChange(people.filter(({ id }) => id !== one.id))}>×</button>
          </span>`)}
      </p>
      <div class="lookup">
        <${Field} label=${t(staff ? "new.to.staff" : "new.to.name")}>
          <input data-testid="new-name" autofocus=${autofocus} autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength="64" value=${name}
            onInput=${(event) => setName(event.target.value)} onKeyDown=${press} />
        <//>
        <${Action} testid="new-add" onClick=${add}>${t("new.to.add")}<//>
      </div>
      <${ErrorNote} error=${error} />
    </div>`;
}

/** `to`: somebody who was chosen elsewhere, if anybody. */
export function NewDialog({ user, to, onClose }) {
  const staff = isStaff(user);
  const [people, setPeople] = useState(to && to.id !== user.id ? [to] : []);
  const [subject, setSubject] = useState("");
  const [text, setText] = useState("");
  const [error, setError] = useState(null);
  const begin = async () => {
    if (staff && people.length === 0) return setError(new Error(t("new.to.nobody")));
    setError(null);
    try {
      const body = { subject: subject.trim(), text: text.trim(), memberIds: people.map(({ id }) => id) };
      const { dialog } = await client.money("/api/dialogs", body);
      go(dialog.id);
    } catch (problem) {
      setError(problem);
    }
  };
  return html`
    <${Dialog} label=${t("dialogs.new")} kind="small" testid="new-dialog" onClose=${onClose}>
      <h2>${t("dialogs.new")}</h2>
      <form onSubmit=${(event) => event.preventDefault()}>
        <${People} people=${people} staff=${staff} autofocus=${staff && !to} onChange=${setPeople} />
        <${Field} label=${t("new.subject")} hint=${t("new.subject.hint")}>
          <input data-testid="new-subject" autofocus=${!staff || Boolean(to)} maxlength="200" dir="auto" value=${subject} onInput=${(event) => setSubject(event.target.value)} />
        <//>
        <${Field} label=${t("new.text")}>
          <textarea data-testid="new-text" rows="5" maxlength="16000" dir="auto" value=${text} onInput=${(event) => setText(event.target.value)} />
        <//>
        <${ErrorNote} error=${error} />
        <div class="row end">
          <button type="button" class="button" onClick=${onClose}>${t("cancel")}</button>
          <${Action} kind="primary" type="submit" testid="new-send" explain disabled=${!text.trim()} onClick=${begin}>${t("write.send")}<//>
        </div>
      </form>
    <//>`;
}
