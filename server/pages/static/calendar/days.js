// Days as the viewer's own clocks count them, and times as <input type="datetime-local"> writes them.
//
// All of it goes through the parts of local dates: a day has 23 or 25 hours when clocks change.
import { intl } from "../format.js";

const two = (n) => String(n).padStart(2, "0");

export const dayOf = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
export const plusDays = (day, days) => new Date(day.getFullYear(), day.getMonth(), day.getDate() + days);
export const monthOf = (day) => new Date(day.getFullYear(), day.getMonth(), 1);

/** The same day of another month, or that month's last. */
export function plusMonths(day, months) {
  const last = new Date(day.getFullYear(), day.getMonth() + months + 1, 0);
  return new Date(last.getFullYear(), last.getMonth(), Math.min(day.getDate(), last.getDate()));
}

/** "2031-05-16", which also names the day in the page. */
export const keyOf = (day) => `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;

/** The days before it in its week, which begins on Monday. */
export const inWeek = (day) => (day.getDay() + 6) % 7;

/** The weeks that a month touches, each of seven days. */
export function weeksOf(month) {
  const first = plusDays(month, -inWeek(month));
  const weeks = [];
  for (let monday = first; weeks.length === 0 || monday < plusMonths(month, 1); monday = plusDays(monday, 7)) {
    weeks.push([0, 1, 2, 3, 4, 5, 6].map((n) => plusDays(monday, n)));
  }
  return weeks;
}

/** Whether an event is on that day. One that ends at midnight is not on the next. */
export const isOn = (event, day) => new Date(event.startsAt) < plusDays(day, 1) && new Date(event.endsAt) > day;

export const dayName = (day) => intl(Intl.DateTimeFormat, { weekday: "long", day: "numeric", month: "long" }).format(day);
/** Month and year apart: together Russian puts a "г." behind them. */
export const monthName = (month) =>
  [{ month: "long" }, { year: "numeric" }].map((part) => intl(Intl.DateTimeFormat, part).format(month)).join(" ");
export const weekdayName = (day, width) => intl(Intl.DateTimeFormat, { weekday: width }).format(day);

const HOURS = { hour: "2-digit", minute: "2-digit" };

const DATE = { weekday: "short", day: "numeric", month: "long", year: "numeric" };
const DAY_MS = 86_400_000;

const at = (moment, options) => intl(Intl.DateTimeFormat, options).format(moment);

/** "Fri, May 16, 2031, 21:00 – 23:00 GMT+3", in the viewer's zone; an evening may end after midnight. */
export function span(event) {
  const [from, to] = [new Date(event.startsAt), new Date(event.endsAt)];
  const zones = [...new Set([zoneAt(from), zoneAt(to)])].join(" – ");
  const end = to - from < DAY_MS ? at(to, HOURS) : `${at(to, DATE)}, ${at(to, HOURS)}`;
  return `${at(from, DATE)}, ${at(from, HOURS)} – ${end} ${zones}`;
}

// When an event is, seen from a day on which it is: what lies on days before and after is left
// open, but for the end of an evening that is after midnight.
export const startOn = (event, day) => (new Date(event.startsAt) >= day ? at(new Date(event.startsAt), HOURS) : "…");


export function endOn(event, day) {
  const [from, to] = [new Date(event.startsAt), new Date(event.endsAt)];
  const isEvening = from >= day && to - from < DAY_MS;
  return isEvening || to <= plusDays(day, 1) ? at(to, HOURS) : "…";
}

/** "2 hr 30 min": time that passes, whatever the clocks do meanwhile. */
export function lasting(ms) {
  const minutes = Math.round(ms / 60_000);
  const unit = (value, name) => intl(Intl.NumberFormat, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  const parts = [[Math.floor(minutes / 1440), "day"], [Math.floor(minutes / 60) % 24, "hour"], [minutes % 60, "minute"]];
  return parts.filter(([value]) => value > 0).map(([value, name]) => unit(value, name)).join(" ");
}

// --- What people enter -------------------------------------------------------------------

/** A moment as a datetime-local field says it. */
export const toField = (moment) => `${keyOf(moment)}T${two(moment.getHours())}:${two(moment.getMinutes())}`;

const SHIFTS_MS = [30, 60, 120].map((minutes) => minutes * 60_000);

/**
 * The moments that a field's text names: two for the hour that comes twice when clocks go back,
 * none for the one that is left out when they go forward, or for no time at all.
 */
export function momentsOf(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime()) || toField(moment) !== text.slice(0, 16)) return [];
  const shifted = SHIFTS_MS.flatMap((ms) => [new Date(moment.getTime() - ms), new Date(moment.getTime() + ms)]);
  const again = shifted.filter((other) => toField(other) === toField(moment));
  return [moment, ...again].sort((a, b) => a - b);
}

/** "GMT+3": which of two it is. */
export function zoneAt(moment) {
  const parts = intl(Intl.DateTimeFormat, { hour: "numeric", timeZoneName: "shortOffset" }).formatToParts(moment);
  return parts.find(({ type }) => type === "timeZoneName").value;
}
