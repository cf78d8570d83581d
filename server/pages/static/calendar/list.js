// What is coming, day by day.
import { t } from "../i18n.js";
import { html } from "../ui.js";
import { dayName, dayOf, keyOf, monthName, monthOf } from "./days.js";
import { EventLine } from "./mark.js";
import { byStart, isOver } from "./plans.js";

/** Events by the day from which on they matter: one that runs already is today's. */
function byDay(events, today) {
  const days = new Map();
  for (const event of events.filter((each) => !isOver(each)).sort(byStart)) {
    const begins = dayOf(new Date(event.startsAt));
    const day = begins < today ? today : begins;
    days.set(keyOf(day), { day, events: [...(days.get(keyOf(day))?.events ?? []), event] });
  }
  return [...days.values()];
}

export function Upcoming({ events, complete, onOpen }) {
  const days = byDay(events, dayOf(new Date()));
  if (days.length === 0) return html`<p class="quiet calendar-empty" data-testid="calendar-none">${t(complete ? "calendar.none" : "loading")}</p>`;
  return html`
    <div class="upcoming">
      ${days.map(({ day, events: ofDay }, n) => {
        const isFirst = n === 0 || monthOf(day) > days[n - 1].day;
        return html`
          ${isFirst && html`<h2 key=${`m-${keyOf(day)}`}>${monthName(day)}</h2>`}
          <section key=${keyOf(day)} aria-labelledby=${`day-${keyOf(day)}`}>
            <h3 id=${`day-${keyOf(day)}`}>${dayName(day)}</h3>
            <ul class="plans">${ofDay.map((event) => html`<${EventLine} key=${event.id} event=${event} day=${day} onOpen=${onOpen} />`)}</ul>
          </section>`;
      })}
    </div>`;
}
