// The calendar: by month, as a list, one event, a new one.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { client, session } from "../hub.js";
import { language, t } from "../i18n.js";
import { isStaff } from "../people.js";
import { SignIn } from "../signin.js";
import { kept, useStore } from "../store.js";
import { TopBar, WaitBanner } from "../topbar.js";
import { Action, html, Toasts } from "../ui.js";
import { dayOf, monthName, monthOf, plusDays, plusMonths, weeksOf } from "./days.js";
import { blank, draftOf } from "./draft.js";
import { Editor } from "./editor.js";
import { EventDialog } from "./event.js";
import { Feed } from "./feed.js";
import { Upcoming } from "./list.js";
import { Month } from "./month.js";
import { isOver, look, plans, reload } from "./plans.js";

const VIEW = "calendar.view";
const YEAR_DAYS = 365;

const CHEVRON = { previous: "M15 5l-7 7 7 7", next: "M9 5l7 7-7 7" };

const linked = () => Number(/^#event-(\d{1,16})$/.exec(location.hash)?.[1]) || null;

/** Which event the address names; opening and closing one changes the address. */
function useLinkedEvent() {
  const [id, setId] = useState(linked);
  useEffect(() => {
    const read = () => setId(linked());
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  const open = (next) => {
    // A row of events looked at is not a row of pages to go back through.
    history.replaceState(null, "", next === null ? location.pathname + location.search : `#event-${next}`);
    setId(next);
  };
  return [id, open];
}

/** Gives the focus back to where it was before the first of some dialogs that follow each other. */
function useReturnedFocus(isOpen) {
  const cameFrom = useRef(null);
  const wasOpen = useRef(false);
  if (isOpen && !wasOpen.current) cameFrom.current = document.activeElement;
  wasOpen.current = isOpen;
  useEffect(() => {
    if (!isOpen && cameFrom.current?.isConnected) cameFrom.current.focus();
  }, [isOpen]);
}

/** Draws again each minute: what is over leaves the list, and midnight makes another day today. */
function useMinutes() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => redraw((n) => n + 1), 60_000);
    return () => clearInterval(timer);
  }, []);
}

function ViewSwitch({ view, onSwitch }) {
  return html`
    <div class="segments" role="group" aria-label=${t("calendar.view")}>
      ${["month", "list"].map((each) => html`
        <button key=${each} type="button" data-testid=${`view-${each}`} aria-pressed=${view === each} onClick=${() => onSwitch(each)}>${t(`calendar.${each}`)}</button>`)}
    </div>`;
}

function Steps({ month, onStep, onToday }) {
  const step = (way, months) => html`
    <button type="button" class="icon" data-testid=${`month-${way}`} aria-label=${t(`calendar.${way}`)} title=${t(`calendar.${way}`)} onClick=${() => onStep(months)}>
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${CHEVRON[way]} /></svg>
    </button>`;
  return html`
    <div class="steps">
      ${step("previous", -1)}
      <h1 aria-live="polite" data-testid="month-name">${monthName(month)}</h1>
      ${step("next", 1)}
      <button type="button" class="button slim" data-testid="today" onClick=${onToday}>${t("calendar.today")}</button>
    </div>`;
}

function Calendar({ user }) {
  const { events, known, failed } = useStore(plans);
  const [view, setView] = useState(() => (kept.read(VIEW) === "list" ? "list" : "month"));
  const [chosen, setChosen] = useState(() => dayOf(new Date()));
  const [eventId, openEvent] = useLinkedEvent();
  const [draft, setDraft] = useState(null);
  const [feed, setFeed] = useState(false);
  useMinutes();
  useReturnedFocus(eventId !== null || draft !== null || feed);

  const month = monthOf(chosen);
  const today = dayOf(new Date());
  const [first, last] = view === "month" ? [weeksOf(month)[0][0], weeksOf(month).at(-1)[6]] : [today, plusDays(today, YEAR_DAYS - 1)];
  const time = [first.getTime(), plusDays(last, 1).getTime()];
  useEffect(() => look(time), time);
  // A link to an event shows the month that it is in, too.
  const linkedStart = events[eventId]?.startsAt;
  useEffect(() => {
    if (linkedStart) setChosen(dayOf(new Date(linkedStart)));
  }, [eventId, Boolean(linkedStart)]);

  const all = Object.values(events);
  const isKnown = known !== null && known[0] <= time[0] && known[1] >= time[1];
  const begin = () => setDraft(blank(view === "month" && chosen >= today ? chosen : today, isStaff(user)));
  const switchTo = (next) => {
    kept.write(VIEW, next);
    setView(next);
  };
  const done = (event) => {
    setDraft(null);
    openEvent(event.id);
  };
  const newEvent = html`<${Action} kind="primary" testid="event-new" onClick=${begin}>${t("event.new")}<//>`;
  return html`
    <div class="calendar-head">
      ${view === "month"
        ? html`<${Steps} month=${month} onStep=${(months) => setChosen(plusMonths(chosen, months))} onToday=${() => setChosen(today)} />`
        : html`<h1>${t("calendar.upcoming")}</h1>`}
      <div class="row">
        <${ViewSwitch} view=${view} onSwitch=${switchTo} />
        <button type="button" class="button" data-testid="feed-open" onClick=${() => setFeed(true)}>${t("feed")}</button>
        ${newEvent}
      </div>
    </div>
    ${failed && html`<div class="error" role="alert"><p>${t("calendar.broken")}</p><${Action} kind="slim" onClick=${reload}>${t("retry.now")}<//></div>`}
    <div aria-busy=${!isKnown} data-testid="calendar" data-known=${isKnown}>
      ${view === "month"
        ? html`<${Month} month=${month} chosen=${chosen} events=${all} onChoose=${setChosen} onOpen=${openEvent} />`
        : html`<${Upcoming} events=${all.filter((event) => !isOver(event))} complete=${isKnown} onOpen=${openEvent} />`}
    </div>
    <p class="quiet small">${t("calendar.zone", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })}</p>
    ${draft !== null && html`<${Editor} key=${draft.id ?? "new"} draft=${draft} onDone=${done} onClose=${() => setDraft(null)} />`}
    ${draft === null && eventId !== null && html`
      <${EventDialog} key=${eventId} id=${eventId} onOpen=${openEvent} onEdit=${(event) => setDraft(draftOf(event))} onClose=${() => openEvent(null)} />`}
    ${feed && html`<${Feed} onClose=${() => setFeed(false)} />`}`;
}

function Page() {
  useStore(language);
  const { user } = useStore(session);
  useEffect(() => {
    document.title = t("title.calendar");
  });
  return html`
    <${TopBar} page="calendar" />
    <${WaitBanner} />
    <main id="content" class="calendar" tabindex="-1">
      ${user
        ? html`<${Calendar} key=${user.id} user=${user} />`
        : html`<${SignIn} title=${t("calendar")} lead=${t("calendar.lead")} />`}
    </main>
    <${Toasts} />`;
}

render(html`<${Page} />`, document.getElementById("app"));
client.start();
