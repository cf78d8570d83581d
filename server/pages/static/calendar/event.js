// One event: when, where, who comes, one's own answer, and for its owner and the staff more.
import { useEffect, useRef, useState } from "preact/hooks";
import { client, session } from "../hub.js";
import { t } from "../i18n.js";
import { sentence } from "../sentences.js";
import { useStore } from "../store.js";
import { Action, Confirm, Dialog, ErrorNote, html, toast } from "../ui.js";
import { dayName, dayOf, endOn, keyOf, span, startOn } from "./days.js";
import { InviteField } from "./invite.js";
import { answer, cancel, invite, isOver, loadOne, mayChange, ownPart, plans, seated, waiting } from "./plans.js";

const ANSWERS = ["accepted", "tentative", "declined"];
const ORDER = ["accepted", "tentative", "needs-action", "declined"];

const placeOf = (event, userId) => waiting(event).findIndex((each) => each.userId === userId) + 1;

function Seats({ event }) {
  const taken = seated(event).length;
  const waits = waiting(event).length;
  return html`
    ${event.capacity === null ? t("event.coming", { count: taken }) : t("event.taken", { taken, capacity: event.capacity })}
    ${waits > 0 && html`, ${t("event.waits", { count: waits })}`}
    ${event.capacity !== null && html`<meter class="seats" min="0" max=${event.capacity} value=${Math.min(taken, event.capacity)} aria-hidden="true"></meter>`}`;
}

/** The own events at the same time; those that are not known yet are asked for. */
function Overlaps({ ids, day, onOpen }) {
  const { events } = useStore(plans);
  const when = (event) => {
    const begins = dayOf(new Date(event.startsAt));
    const hours = `${startOn(event, begins)} – ${endOn(event, begins)}`;
    return keyOf(begins) === keyOf(day) ? hours : `${dayName(begins)}, ${hours}`;
  };
  const missing = ids.filter((id) => !events[id]).join();
  useEffect(() => {
    for (const id of missing.split(",").filter(Boolean)) loadOne(Number(id)).catch(() => {});
  }, [missing]);
  return html`
    <ul class="overlaps" data-testid="overlaps">
      ${ids.map((id) => events[id] && html`
        <li key=${id}><button type="button" class="linkish" onClick=${() => onOpen(id)}>${events[id].title}</button> <span class="quiet">${when(events[id])}</span></li>`)}
    </ul>`;
}

function Answer({ event, user }) {
  const [error, setError] = useState(null);
  const own = ownPart(event, user);
  const say = async (status) => {
    setError(null);
    try {
      await answer(event.id, status);
    } catch (problem) {
      setError(problem);
    }
  };
  const says = own && (own.waitlisted ? "waiting" : own.status);
  return html`
    <section class="answer" aria-labelledby="answer-title">
      <h3 id="answer-title">${t("answer")}</h3>
      <div class="row" role="group" aria-labelledby="answer-title">
        ${ANSWERS.map((status) => html`
          <${Action} key=${status} kind=${own?.status === status ? "primary" : ""} testid=${`answer-${status}`} aria-pressed=${own?.status === status}
            onClick=${() => say(status)}>${t(`answer.${status}`)}<//>`)}
      </div>
      <p role="status" data-testid="own-status" data-status=${says}>${says && t(`answered.${says}`, { place: placeOf(event, user.id) })}</p>
      <${ErrorNote} error=${error} />
    </section>`;
}

function People({ event, user }) {
  if (event.participants.length === 0) return html`<p class="quiet">${t("event.nobody")}</p>`;
  const names = new Map(event.people.map(({ id, username }) => [id, username]));
  const rank = ({ status, waitlisted }) => ORDER.indexOf(status) + (waitlisted ? 0.5 : 0);
  return html`
    <ul class="people" data-testid="people" tabindex="0" aria-labelledby="people-title">
      ${[...event.participants].sort((a, b) => rank(a) - rank(b)).map(({ userId, status, waitlisted }) => html`
        <li key=${userId} data-testid="participant" data-user-id=${userId} data-status=${waitlisted ? "waiting" : status}>
          <b>${names.get(userId) ?? t("event.member", { id: userId })}</b>
          ${userId === user.id && html`<span class="quiet">${t("event.you")}</span>`}
          <span class="person-status s-${waitlisted ? "waiting" : status}">
            ${waitlisted ? t("person.waiting", { place: placeOf(event, userId) }) : t(`person.${status}`)}
          </span>
        </li>`)}
    </ul>`;
}

function Invite({ event }) {
  const found = async ({ id, username }) => {
    await invite(event.id, [id]);
    toast(t("invite.done", { name: username }));
  };
  return html`<${InviteField} label=${t("invite")} known=${event.participants.map(({ userId }) => userId)} onFound=${found} />`;
}

function Facts({ event, onOpen }) {
  return html`
    <dl class="facts">
      <dt>${t("event.when")}</dt><dd><time datetime=${event.startsAt} data-testid="event-when">${span(event)}</time></dd>
      ${event.location && html`<dt>${t("event.where")}</dt><dd data-testid="event-where">${event.location}</dd>`}
      <dt>${t("event.host")}</dt><dd>${event.owner.username} <span class="quiet">· ${t(`event.${event.visibility}`)}</span></dd>
      <dt>${t("event.seats")}</dt><dd data-testid="event-seats"><${Seats} event=${event} /></dd>
      ${event.overlaps.length > 0 && html`<dt class="warns">${t("event.overlaps")}</dt><dd><${Overlaps} ids=${event.overlaps} day=${dayOf(new Date(event.startsAt))} onOpen=${onOpen} /></dd>`}
    </dl>`;
}

/** `onOpen` shows another event in its place. */
export function EventDialog({ id, onOpen, onEdit, onClose }) {
  const { user } = useStore(session);
  const event = useStore(plans).events[id];
  const [problem, setProblem] = useState(null);
  const wasThere = useRef(false);
  wasThere.current ||= Boolean(event);
  const [cancels, setCancels] = useState(false);
  useEffect(() => {
    // Also when it is known: what is known may be from before.
    let left = false;
    client.eventually(() => loadOne(id)).catch((error) => left || setProblem(error));
    return () => (left = true);
  }, [id]);
  if (!event) {
    const isGone = wasThere.current || problem?.status === 404;
    return html`
      <${Dialog} label=${t("calendar")} kind="small" onClose=${onClose}>
        <p class="note" role="status" data-testid="event-gone">${isGone ? t("event.gone") : problem ? sentence(problem) : t("loading")}</p>
      <//>`;
  }
  const own = mayChange(event, user) && !event.cancelled;
  const callOff = async () => {
    await cancel(id);
    setCancels(false);
  };
  return html`
    <${Dialog} label=${event.title} kind="event-dialog" testid="event" onClose=${onClose}>
      <article class=${event.cancelled ? "cancelled" : ""} data-event-id=${id} data-cancelled=${event.cancelled}>
        <h2>${event.cancelled ? html`<s>${event.title}</s>` : event.title}</h2>
        <p role="status" class=${event.cancelled ? "error" : "unseen"} data-testid="event-cancelled">${event.cancelled && t("event.cancelled")}</p>
        <${Facts} event=${event} onOpen=${onOpen} />
        ${event.description && html`<p class="description" data-testid="event-description">${event.description}</p>`}
        ${!event.cancelled && (isOver(event) ? html`<p class="quiet">${t("event.over")}</p>` : html`<${Answer} event=${event} user=${user} />`)}
        <section aria-labelledby="people-title">
          <h3 id="people-title">${t("event.people")}</h3>
          <${People} event=${event} user=${user} />
          ${own && html`<${Invite} event=${event} />`}
        </section>
        ${own && html`
          <div class="row end event-foot">
            <${Action} kind="danger" testid="event-cancel" onClick=${() => setCancels(true)}>${t("event.cancel")}<//>
            <${Action} testid="event-edit" onClick=${() => onEdit(event)}>${t("event.edit")}<//>
          </div>`}
      </article>
      ${cancels && html`
        <${Confirm} title=${t("event.cancel.title", { title: event.title })} text=${t("event.cancel.ask")} yes=${t("event.cancel")} kind="danger"
          testid="event-cancel-confirm" onYes=${callOff} onClose=${() => setCancels(false)} />`}
    <//>`;
}
