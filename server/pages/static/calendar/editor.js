// A new event, or one that is changed.
import { useRef, useState } from "preact/hooks";
import { t } from "../i18n.js";
import { useStore } from "../store.js";
import { Action, CheckedField, Dialog, ErrorNote, html } from "../ui.js";
import { lasting, momentsOf, toField, zoneAt } from "./days.js";
import { bodyOf, momentOf, moveStart, problemsOf } from "./draft.js";
import { InviteField } from "./invite.js";
import { plans, save } from "./plans.js";

const SHOWN = ["title", "startsAt", "endsAt", "location", "capacity", "visibility", "description"];

/** The server's words at the fields that are here; null if it has words for others, too. */
function fieldsOf(error) {
  const told = Object.entries(error.fields ?? {});
  if (told.length === 0 || told.some(([name]) => !SHOWN.includes(name))) return null;
  return Object.fromEntries(told.map(([name, says]) => [name, [says].flat().join(" ")]));
}

function When({ name, label, time, hint, problem, onText, onAgain }) {
  const moments = momentsOf(time.text);
  return html`
    <div class="when">
      <${CheckedField} label=${label} problem=${problem} hint=${hint} input=${(attributes) => html`
        <input ...${attributes} type="datetime-local" data-testid=${`event-${name}`} required max="9999-12-31T23:59" value=${time.text}
          onInput=${(event) => onText(event.target.value)} />`} />
      ${moments.length > 1 && html`
        <label class="again">
          <input type="checkbox" data-testid=${`event-${name}-again`} checked=${time.again} onChange=${(event) => onAgain(event.target.checked)} />
          <span>${t("event.again", { time: toField(moments[1]).slice(11), zone: zoneAt(moments[1]) })}</span>
        </label>`}
    </div>`;
}

function Invited({ people, onChange }) {
  return html`
    <${InviteField} label=${t("invite.add")} known=${people.map(({ id }) => id)} onFound=${(member) => onChange([...people, member])} />
    ${people.length > 0 && html`
      <ul class="invited">
        ${people.map(({ id, username }) => html`
          <li key=${id} data-testid="invited">
            ${username}
            <button type="button" class="icon" aria-label=${t("invite.remove", { name: username })} onClick=${() => onChange(people.filter((each) => each.id !== id))}>✕</button>
          </li>`)}
      </ul>`}`;
}

/** `onDone` is given the event. */
export function Editor({ draft: initial, onDone, onClose }) {
  const [draft, setDraft] = useState(initial);
  const [problems, setProblems] = useState({});
  const [error, setError] = useState(null);
  const form = useRef(null);
  const { events } = useStore(plans);
  const isOutdated = draft.id && events[draft.id]?.sequence > draft.sequence;

  const set = (changes) => setDraft((before) => ({ ...before, ...changes }));
  const text = (name) => ({ name, value: draft[name], onInput: (event) => set({ [name]: event.target.value }), "data-testid": `event-${name}` });
  const refuse = (found) => {
    setProblems(found);
    // After it is drawn: the first field that is wrong.
    setTimeout(() => form.current?.querySelector('[aria-invalid="true"]')?.focus());
  };
  const send = async () => {
    setError(null);
    const found = problemsOf(draft);
    setProblems(found);
    if (Object.keys(found).length > 0) return refuse(found);
    try {
      onDone(await save(bodyOf(draft)));
    } catch (problem) {
      const told = fieldsOf(problem);
      if (told) refuse(told);
      else setError(problem);
    }
  };

  const [starts, ends] = [momentOf(draft.starts), momentOf(draft.ends)];
  const lasts = starts && ends && ends > starts ? t("event.lasts", { time: lasting(ends - starts) }) : null;
  const title = t(draft.id ? "event.change" : "event.new");
  return html`
    <${Dialog} label=${title} kind="wide event-editor" testid="event-editor" onClose=${onClose}>
      <h2>${title}</h2>
      <form ref=${form} noValidate onSubmit=${(event) => event.preventDefault()}>
        <${CheckedField} label=${t("event.title")} problem=${problems.title} input=${(attributes) => html`
          <input ...${attributes} ...${text("title")} autofocus maxlength="200" required autocomplete="off" />`} />
        <div class="pair">
          <${When} name="starts" label=${t("event.starts")} time=${draft.starts} problem=${problems.startsAt} hint=${starts && zoneAt(starts)}
            onText=${(value) => setDraft((before) => moveStart(before, value))} onAgain=${(again) => set({ starts: { ...draft.starts, again } })} />
          <${When} name="ends" label=${t("event.ends")} time=${draft.ends} problem=${problems.endsAt} hint=${ends && [zoneAt(ends), lasts].filter(Boolean).join(" · ")}
            onText=${(value) => set({ ends: { ...draft.ends, text: value, again: false } })} onAgain=${(again) => set({ ends: { ...draft.ends, again } })} />
        </div>
        <div class="pair">
          <${CheckedField} label=${t("event.location")} problem=${problems.location} input=${(attributes) => html`
            <input ...${attributes} ...${text("location")} maxlength="200" autocomplete="off" />`} />
          <div class="pair">
            <${CheckedField} label=${t("event.capacity")} problem=${problems.capacity} hint=${t("event.capacity.hint")} input=${(attributes) => html`
              <input ...${attributes} ...${text("capacity")} inputmode="numeric" autocomplete="off" />`} />
            <${CheckedField} label=${t("event.visibility")} problem=${problems.visibility} input=${(attributes) => html`
              <select ...${attributes} ...${text("visibility")}>
                <option value="private">${t("event.private")}</option>
                <option value="public">${t("event.public")}</option>
              </select>`} />
          </div>
        </div>
        <${CheckedField} label=${t("event.description")} problem=${problems.description} input=${(attributes) => html`
          <textarea ...${attributes} ...${text("description")} rows="5" maxlength="4000"></textarea>`} />
        ${!draft.id && html`<${Invited} people=${draft.invited} onChange=${(invited) => set({ invited })} />`}
        ${isOutdated && html`<p class="note" role="status" data-testid="event-changed">${t("event.changed")}</p>`}
        <${ErrorNote} error=${error} />
        <div class="row end">
          <button type="button" class="button" onClick=${onClose}>${t("cancel")}</button>
          <${Action} kind="primary" type="submit" testid="event-save" explain onClick=${send}>${t(draft.id ? "event.save" : "event.create")}<//>
        </div>
      </form>
    <//>`;
}
