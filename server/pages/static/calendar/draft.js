// What is entered of an event, and the event that it becomes.
import { t } from "../i18n.js";
import { momentsOf, toField } from "./days.js";

const LONGEST_MS = 744 * 3_600_000;
const HOUR_MS = 3_600_000;

/** A time as it is entered: the field's text, and whether the second of two equal ones is meant. */
const entered = (moment, original = null) => ({
  text: toField(moment),
  again: momentsOf(toField(moment)).findIndex((each) => Math.abs(each - moment) < 60_000) > 0,
  original,
});

/** A new event on a day: in the evening, or after the next full hour today. */
export function blank(day, isPublic) {
  const next = new Date(Math.ceil((Date.now() + HOUR_MS) / HOUR_MS) * HOUR_MS);
  const evening = new Date(day.getFullYear(), day.getMonth(), day.getDate(), 19);
  const starts = evening > next ? evening : next;
  return {
    title: "",
    description: "",
    location: "",
    capacity: "",
    visibility: isPublic ? "public" : "private",
    starts: entered(starts),
    ends: entered(new Date(starts.getTime() + 2 * HOUR_MS)),
    invited: [],
  };
}

/** An event to be changed; invitations have a place of their own then. */
export const draftOf = ({ id, sequence, title, description, location, capacity, visibility, startsAt, endsAt }) => ({
  id,
  sequence,
  title,
  description,
  location,
  capacity: capacity === null ? "" : String(capacity),
  visibility,
  starts: entered(new Date(startsAt), startsAt),
  ends: entered(new Date(endsAt), endsAt),
  invited: [],
});

/** The moment that is meant; null for no time, or one that clocks leave out. */
export function momentOf({ text, again }) {
  const moments = momentsOf(text);
  return (again && moments[1]) || moments[0] || null;
}

/** As it is sent: to the second as it was, unless another minute was entered. */
function iso(time) {
  const moment = momentOf(time);
  const before = time.original && new Date(time.original);
  const isSame = before && Math.floor(before / 60_000) === Math.floor(moment / 60_000);
  return isSame ? time.original : moment.toISOString();
}

const timeProblem = (time) => momentOf(time) === null && t(/^\d{4}-.*T\d/.test(time.text) ? "event.bad.gap" : "event.bad.time");

/** What is wrong, by field; empty when it can be sent. */
export function problemsOf(draft) {
  const problems = {};
  if (!draft.title.trim()) problems.title = t("event.bad.title");
  for (const [name, time] of [["startsAt", draft.starts], ["endsAt", draft.ends]]) {
    const problem = timeProblem(time);
    if (problem) problems[name] = problem;
  }
  const [starts, ends] = [momentOf(draft.starts), momentOf(draft.ends)];
  if (starts && ends && (ends <= starts || ends - starts > LONGEST_MS)) problems.endsAt = t("event.bad.end");
  if (draft.capacity.trim() && !/^[1-9]\d{0,5}$/.test(draft.capacity.trim())) problems.capacity = t("event.bad.capacity");
  return problems;
}

/** What is sent. To be asked for only where there are no problems. */
export const bodyOf = (draft) => ({
  id: draft.id,
  title: draft.title.trim(),
  description: draft.description,
  location: draft.location.trim(),
  capacity: draft.capacity.trim() ? Number(draft.capacity) : null,
  visibility: draft.visibility,
  startsAt: iso(draft.starts),
  endsAt: iso(draft.ends),
  invite: draft.invited.map(({ id }) => id),
});

/** The start moves, and the end with it: how long it lasts stays. */
export function moveStart(draft, text) {
  const [before, end] = [momentOf(draft.starts), momentOf(draft.ends)];
  const starts = { ...draft.starts, text, again: false };
  const after = momentOf(starts);
  if (!before || !end || !after || end <= before) return { ...draft, starts };
  return { ...draft, starts, ends: { ...entered(new Date(after.getTime() + (end - before))), original: draft.ends.original } };
}
