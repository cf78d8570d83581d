// The ways between the pages: in the bar, or at the bottom of a phone.
import { h } from "preact";
import htm from "htm";
import { t } from "./i18n.js";
import { isStaff } from "./people.js";

const html = htm.bind(h);

const everybody = () => true;

// Where to, what a 24×24 line drawing of it is, and who may go there.
const ENTRIES = [
  { page: "club", href: "/", drawing: "M4 7h16v10H4zM4 12h16M10 12v2h4v-2", who: everybody },
  { page: "dialogs", href: "/dialogs", drawing: "M4 5h16v11H12l-5 4v-4H4zM8 9h8M8 12.5h5", who: (user) => Boolean(user) },
  { page: "calendar", href: "/calendar", drawing: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M8 14h3M13 14h3", who: everybody },
  { page: "admin", href: "/admin", drawing: "M3 10h18M5 10v9h14v-9M8 10a4 4 0 0 1 8 0M12 3v2", who: isStaff },
];

/** `page`: which of them this is, if any. `user`: who is signed in, if anybody. */
export function Nav({ page, user }) {
  return html`
    <nav class="site-nav" aria-label=${t("nav")}>
      ${ENTRIES.filter(({ who }) => who(user)).map((entry) => html`
        <a key=${entry.page} href=${entry.href} data-testid=${`nav-${entry.page}`} title=${t(`nav.${entry.page}`)} aria-current=${entry.page === page ? "page" : undefined}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${entry.drawing} /></svg>
          <span>${t(`nav.${entry.page}`)}</span>
        </a>`)}
    </nav>`;
}
