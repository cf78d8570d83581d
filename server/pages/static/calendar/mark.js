// One event as a line: in the list, under a day, among those that overlap.
import { session } from "../hub.js";
import { t } from "../i18n.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { endOn, startOn } from "./days.js";
import { isOver, meaning, seated } from "./plans.js";

export function EventLine({ event, day, onOpen }) {
  const { user } = useStore(session);
  const means = meaning(event, user);
  return html`
    <li>
      <button type="button" class="plan m-${means} ${isOver(event) ? "is-over" : ""}" data-testid="plan" data-event-id=${event.id} data-meaning=${means} onClick=${() => onOpen(event.id)}>
        <span class="plan-hours">${startOn(event, day)} <small>– ${endOn(event, day)}</small></span>
        <span class="plan-words">
          <b>${event.title}</b>
          <span class="quiet">
            ${[event.location, event.capacity && t("event.taken", { taken: seated(event).length, capacity: event.capacity })].filter(Boolean).join(" · ")}
          </span>
        </span>
        <span class="mark">${t(`meaning.${means}`)}</span>
      </button>
    </li>`;
}
