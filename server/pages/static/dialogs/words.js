// How dialogs, people and times are called.
import { clock } from "../format.js";
import { lang, t } from "../i18n.js";
import { isStaff } from "../people.js";

export const playersOf = (dialog, user) => dialog.members.filter((one) => one.id !== user.id && !isStaff(one));

/** The subject, or with whom it is. */
export function titleOf(dialog, user) {
  if (dialog.subject) return dialog.subject;
  const others = playersOf(dialog, user).map(({ username }) => username);
  return others.length ? others.join(", ") : t("dialogs.staff");
}

/** Who that is, as far as the dialog tells; whoever is no member of it is of the staff. */
export function nameOf(userId, dialog, messages = []) {
  const known = [...dialog.members, dialog.assignee, dialog.lastMessage.sender, ...messages.map(({ sender }) => sender)];
  return known.find((one) => one?.id === userId)?.username ?? t("dialogs.staff");
}

const dayOf = (time) => new Date(time).toDateString();
const DAY_MS = 86_400_000;

/** "Today", "Yesterday", or the date. */
export function dayName(iso) {
  const day = dayOf(iso);
  if (day === dayOf(Date.now())) return t("dialog.today");
  if (day === dayOf(Date.now() - DAY_MS)) return t("dialog.yesterday");
  return new Date(iso).toLocaleDateString(lang(), { day: "numeric", month: "long", year: "numeric" });
}

export const sameDay = (a, b) => dayOf(a) === dayOf(b);

/** The time of today, the date of what is older. */
export const when = (iso) =>
  sameDay(iso, Date.now()) ? clock(iso) : new Date(iso).toLocaleDateString(lang(), { day: "numeric", month: "short" });
