// What a notification says, and where it belongs.
import { moment, money } from "./format.js";
import { knows, t } from "./i18n.js";
import { plain } from "./people.js";

const EVENT = (data) => `/calendar#event-${data.eventId}`;

// By kind: what the sentence is filled with, where it leads, and a 24×24 line drawing of it.
const KINDS = {
  reply: {
    words: ({ sender, subject }) => ({ name: plain(sender.username), subject: plain(subject) }),
    href: ({ dialogId }) => `/dialogs#${dialogId}`,
    drawing: "M4 5h16v11H9l-5 4z",
  },
  invitation: { href: EVENT, drawing: "M3 6h18v13H3zM3 7l9 7 9-7" },
  event_changed: { href: EVENT, drawing: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M9 15h6" },
  event_cancelled: { href: EVENT, drawing: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M9.5 12.8l5 5M14.5 12.8l-5 5" },
  reminder: { href: EVENT, drawing: "M12 4a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 8v5l3 2" },
  promoted: { href: EVENT, drawing: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M8.5 15l2.5 2.5 4.5-4.5" },
  payment: {
    words: ({ amount }) => ({ amount: money(amount) }),
    href: () => "/#history",
    drawing: "M3 7h18v11H3zM3 11h18M7 15h3",
  },
  prize: {
    words: ({ item, inventoryId }) => ({ name: plain(item.name), id: inventoryId }),
    href: () => "/#inventory",
    drawing: "M7 4h10v6a5 5 0 0 1-10 0zM7 6H4a3 3 0 0 0 3 4M17 6h3a3 3 0 0 1-3 4M12 15v3M8 20h8",
  },
};
const OTHER = { words: () => ({}), href: () => null, drawing: "M12 4v10M12 18v1" };

const of = ({ kind }) => (knows(`notice.${kind}`) && KINDS[kind]) || OTHER;

const ofEvent = ({ title, location, startsAt }) => ({
  title: plain(title),
  when: moment(startsAt),
  where: location && `, ${plain(location)}`,
});

export function noticeSays(notice) {
  const kind = of(notice);
  if (kind === OTHER) return t("notice.other");
  return t(`notice.${notice.kind}`, (kind.words ?? ofEvent)(notice.data));
}

/** Where it belongs; on the page that is open already, only the part behind the #. */
export function noticeLeads(notice) {
  const href = of(notice).href(notice.data);
  return href?.startsWith(`${location.pathname}#`) ? href.slice(location.pathname.length) : href;
}

export const drawingOf = (notice) => of(notice).drawing;
