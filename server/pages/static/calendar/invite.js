// Finding those to invite, by their names.
import { useState } from "preact/hooks";
import { t } from "../i18n.js";
import { sentence } from "../sentences.js";
import { Action, CheckedField, html } from "../ui.js";
import { findMember } from "./plans.js";

/**
 * A field for one name after another. `known`: ids of those who are invited already. `onFound` is
 * given {id, username} and may be asynchronous; what it raises is said at the field.
 */
export function InviteField({ known, label, onFound }) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState(null);
  const add = async () => {
    const username = name.trim();
    if (!username) return;
    setProblem(null);
    try {
      const member = await findMember(username);
      if (known.includes(member.id)) return setProblem(t("invite.twice", { name: member.username }));
      await onFound(member);
      setName("");
    } catch (error) {
      setProblem(error.code === "user_not_found" ? t("invite.none", { name: username }) : sentence(error));
    }
  };
  // Enter adds the name, and does not send the form around it.
  const press = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  };
  return html`
    <div class="invite">
      <${CheckedField} label=${t("invite.name")} hint=${t("invite.hint")} problem=${problem} input=${(attributes) => html`
        <input ...${attributes} data-testid="invite-name" maxlength="200" autocomplete="off" autocapitalize="none" spellcheck=${false} value=${name}
          onInput=${(event) => setName(event.target.value)} onKeyDown=${press} />`} />
      <${Action} testid="invite-add" onClick=${add}>${label}<//>
    </div>`;
}
