// A month as a grid of days, and what is on the chosen one.
import { useLayoutEffect, useRef } from "preact/hooks";
import { session } from "../hub.js";
import { t } from "../i18n.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { byStart, isOver, meaning } from "./plans.js";
import { dayName, dayOf, inWeek, isOn, keyOf, monthName, plusDays, plusMonths, startOn, weekdayName, weeksOf } from "./days.js";
import { EventLine } from "./mark.js";

const CHIPS = 3;

// Where keys lead from a day, as in the ARIA authoring practices' date picker.
const STEPS = {
  ArrowLeft: (day) => plusDays(day, -1),
  ArrowRight: (day) => plusDays(day, 1),
  ArrowUp: (day) => plusDays(day, -7),
  ArrowDown: (day) => plusDays(day, 7),
  Home: (day) => plusDays(day, -inWeek(day)),
  End: (day) => plusDays(day, 6 - inWeek(day)),
  PageUp: (day) => plusMonths(day, -1),
  PageDown: (day) => plusMonths(day, 1),
};

function Day({ day, month, chosen, isToday, events, onChoose, onOpen }) {
  const { user } = useStore(session);
  const says = [dayName(day), events.length > 0 && t("calendar.count", { count: events.length })].filter(Boolean).join(", ");
  const press = ({ target }) => {
    onChoose(day);
    // A mouse may go straight for an event; keys find them under the grid.
    const chip = target.closest("[data-event-id]");
    if (chip) onOpen(Number(chip.dataset.eventId));
  };
  return html`
    <td role="gridcell" aria-selected=${chosen} class=${day.getMonth() === month.getMonth() ? "" : "outside"}>
      <button type="button" class="day ${isToday ? "today" : ""}" data-day=${keyOf(day)} tabindex=${chosen ? 0 : -1}
        aria-label=${says} aria-current=${isToday ? "date" : undefined} onClick=${press}>
        <b>${day.getDate()}</b>
        ${events.slice(0, CHIPS).map((event) => html`
          <span key=${event.id} class="chip m-${meaning(event, user)} ${isOver(event) ? "is-over" : ""}" data-event-id=${event.id} title=${event.title}>
            <i>${startOn(event, day)}</i> ${event.title}
          </span>`)}
        ${events.length > CHIPS && html`<small>${t("calendar.more", { count: events.length - CHIPS })}</small>`}
      </button>
    </td>`;
}

export function Month({ month, chosen, events, onChoose, onOpen, children }) {
  const grid = useRef(null);
  const byKey = useRef(false);
  const weeks = weeksOf(month);
  const today = keyOf(dayOf(new Date()));
  const sorted = [...events].sort(byStart);
  const on = (day) => sorted.filter((event) => isOn(event, day));

  // At once: a key that is pressed before the next frame must not find the focus behind.
  useLayoutEffect(() => {
    if (!byKey.current) return;
    byKey.current = false;
    grid.current.querySelector(`[data-day="${keyOf(chosen)}"]`)?.focus();
  }, [keyOf(chosen)]);
  const move = (event) => {
    const step = !event.altKey && !event.ctrlKey && !event.metaKey && STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    byKey.current = true;
    onChoose(step(chosen));
  };

  const ofDay = on(chosen);
  return html`
    <div class="month">
      <table role="grid" class="grid" ref=${grid} aria-label=${monthName(month)} onKeyDown=${move}>
        <thead>
          <tr>${weeks[0].map((day) => html`
            <th scope="col" key=${day.getDay()}><abbr title=${weekdayName(day, "long")}>${weekdayName(day, "short")}</abbr></th>`)}
          </tr>
        </thead>
        <tbody>
          ${weeks.map((week) => html`
            <tr key=${keyOf(week[0])}>
              ${week.map((day) => html`
                <${Day} key=${keyOf(day)} day=${day} month=${month} chosen=${keyOf(day) === keyOf(chosen)}
                  isToday=${keyOf(day) === today} events=${on(day)} onChoose=${onChoose} onOpen=${onOpen} />`)}
            </tr>`)}
        </tbody>
      </table>
      <section class="panel of-day" aria-labelledby="of-day" data-testid="of-day">
        <h2 id="of-day">${dayName(chosen)}</h2>
        ${ofDay.length === 0
          ? html`<p class="quiet">${t("calendar.day.none")}</p>`
          : html`<ul class="plans">${ofDay.map((event) => html`<${EventLine} key=${event.id} event=${event} day=${chosen} onOpen=${onOpen} />`)}</ul>`}
        ${children}
      </section>
    </div>`;
}
