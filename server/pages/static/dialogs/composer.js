// Where a message is written. What was begun stays while one looks at other dialogs.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { onMember } from "../hub.js";
import { t } from "../i18n.js";
import { isStaff } from "../people.js";
import { html } from "../ui.js";
import { send } from "./outgoing.js";
import { sayTyping, stopTyping } from "./typing.js";

const MOST_LETTERS = 16_000; // the server may allow less, and says so

// On a phone's keyboard Enter is the only way to begin a line.
const touches = matchMedia("(pointer: coarse)");

const drafts = new Map();
onMember(() => drafts.clear());

export function useDraft(dialogId) {
  const [draft, setDraft] = useState(() => drafts.get(dialogId) ?? "");
  const keep = (text) => {
    drafts.set(dialogId, text);
    setDraft(text);
  };
  return [draft, keep];
}

function Kind({ isNote, onChange }) {
  return html`
    <fieldset class="segments" data-testid="write-kind">
      <legend class="unseen">${t("write.kind")}</legend>
      ${[false, true].map((note) => html`
        <label key=${note}>
          <input type="radio" name="kind" value=${note ? "note" : "message"} checked=${isNote === note} onChange=${() => onChange(note)} />
          <span>${t(note ? "write.kind.note" : "write.kind.message")}</span>
        </label>`)}
    </fieldset>`;
}

export function Composer({ dialog, user, draft, onDraft, onSent }) {
  const [isNote, setNote] = useState(false);
  const field = useRef(null);
  const staff = isStaff(user);
  useLayoutEffect(() => {
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [draft]);

  const write = (event) => {
    onDraft(event.target.value);
    // Players are not to guess at what they will never see.
    if (event.target.value.trim() && !isNote) sayTyping(dialog.id);
  };
  const submit = (event) => {
    event?.preventDefault();
    const text = draft.trim();
    if (!text) return;
    send(dialog.id, text, isNote);
    stopTyping(dialog.id);
    onDraft("");
    onSent();
    field.current.focus();
  };
  const press = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || (touches.matches && !event.ctrlKey)) return;
    event.preventDefault();
    submit();
  };
  return html`
    <form class="composer ${isNote ? "is-note" : ""}" onSubmit=${submit}>
      ${dialog.status === "resolved" && !staff && html`<p class="quiet small">${t("dialog.resolved.hint")}</p>`}
      ${staff && html`<${Kind} isNote=${isNote} onChange=${setNote} />`}
      <div class="composer-row">
        <textarea ref=${field} rows="1" data-testid="write" aria-label=${t(isNote ? "write.note.placeholder" : "write.label")}
          aria-describedby="write-hint" placeholder=${t(isNote ? "write.note.placeholder" : "write.placeholder")}
          dir="auto" maxlength=${MOST_LETTERS} value=${draft} onInput=${write} onKeyDown=${press} />
        <button type="submit" class="button primary" data-testid="write-send" aria-disabled=${!draft.trim()}>
          <span>${t(isNote ? "write.note" : "write.send")}</span>
        </button>
      </div>
      <p id="write-hint" class="write-hint">${t("write.hint")}</p>
    </form>`;
}
