// The bell in the bar: how much is unread, the list, and which kinds the member wants.
import { useEffect, useRef, useState } from "preact/hooks";
import { ago, moment } from "./format.js";
import { t } from "./i18n.js";
import { loadMore, loadPreferences, notices, prefer, readAll, reload } from "./notices.js";
import { drawingOf, noticeLeads, noticeSays } from "./noticing.js";
import { useSpoken } from "./spoken.js";
import { useStore } from "./store.js";
import { Action, complain, html } from "./ui.js";

const MOST_SHOWN = 99;

const GEAR = html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 7h9M19 7h1M4 17h1M11 17h9" /><circle cx="16" cy="7" r="2.6" /><circle cx="8" cy="17" r="2.6" /></svg>`;

function Entry({ notice, isNew, onFollow }) {
  const href = noticeLeads(notice);
  const inside = html`
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${drawingOf(notice)} /></svg>
    <span class="notice-words">
      <span>${noticeSays(notice)}</span>
      <small><time datetime=${notice.at} title=${moment(notice.at)}>${ago(notice.at)}</time>${isNew && html` · <b>${t("bell.new")}</b>`}</small>
    </span>`;
  return html`
    <li class="notice ${isNew ? "new" : ""}" data-testid="notice" data-kind=${notice.kind} data-read=${notice.read}>
      ${href ? html`<a href=${href} onClick=${onFollow}>${inside}</a>` : html`<div>${inside}</div>`}
    </li>`;
}

/** `opened`: what was the newest, and how many were unread, when the panel was opened. */
function List({ opened, onFollow }) {
  const { list, more, failed } = useStore(notices);
  if (list === null && !failed) return html`<p class="quiet bell-empty">${t("loading")}</p>`;
  if (list === null) {
    return html`<div class="bell-empty"><p>${t("bell.broken")}</p><${Action} kind="slim" onClick=${reload}>${t("retry.now")}<//></div>`;
  }
  if (list.length === 0) return html`<p class="quiet bell-empty" data-testid="notices-none">${t("bell.none")}</p>`;
  const older = () => loadMore().catch(complain);
  // What was unread then, and what came since.
  const before = list.findIndex(({ id }) => id <= opened.newest);
  const isNew = (place) => before < 0 || place < before + opened.unread;
  return html`
    <ul class="notice-list">
      ${list.map((notice, place) => html`<${Entry} key=${notice.id} notice=${notice} isNew=${isNew(place)} onFollow=${onFollow} />`)}
    </ul>
    ${more && html`<div class="bell-more"><${Action} kind="slim" testid="notices-more" onClick=${older}>${t("more")}<//></div>`}`;
}

function Preferences() {
  const { preferences } = useStore(notices);
  useEffect(() => void loadPreferences().catch(complain), []);
  // The switch shows what the club says: one that it refused goes back by itself.
  const change = (kind) => async (event) => {
    const { target } = event;
    target.disabled = true;
    await prefer(kind, target.checked).catch((error) => {
      target.checked = !target.checked;
      complain(error);
    });
    target.disabled = false;
    if (document.activeElement === document.body) target.focus();
  };
  return html`
    <div class="bell-settings" data-testid="preferences">
      <p class="quiet">${t("bell.settings.lead")}</p>
      ${preferences === null
        ? html`<p class="quiet">${t("loading")}</p>`
        : Object.entries(preferences).map(([kind, wanted]) => html`
          <label key=${kind} class="switch">
            <input type="checkbox" role="switch" data-testid=${`prefer-${kind}`} checked=${wanted} onChange=${change(kind)} />
            <span>${t(`wanted.${kind}`)}</span>
          </label>`)}
    </div>`;
}

/** `quiet`: nothing is to be told now that the page is about to show itself. */
export function Bell({ quiet }) {
  const { list, unread, news } = useStore(notices);
  const [open, setOpen] = useState(false);
  const [settings, setSettings] = useState(false);
  const [opened, setOpened] = useState(null);
  const panel = useRef(null);
  const bell = useRef(null);
  const spoken = useSpoken(quiet ? undefined : news?.id, () => t("bell.told", { sentence: noticeSays(news) }));

  const toggled = (event) => {
    const isOpen = event.newState === "open";
    setOpen(isOpen);
    if (isOpen) return panel.current.focus();
    setSettings(false);
    // Where the focus was has gone with the list, perhaps: then the browser cannot give it back.
    if (document.activeElement === document.body) bell.current.focus();
  };
  // A hidden tab shows nothing, so nothing is read in it.
  const [seen, setSeen] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setSeen(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  const newest = list?.[0]?.id;
  useEffect(() => {
    if (!open || !seen || settings || newest === undefined) return;
    readAll();
  }, [open, seen, settings, newest]);
  useEffect(() => {
    setOpened(open && list !== null ? { newest: newest ?? 0, unread } : null);
  }, [open, list === null]);

  const shown = unread > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unread);
  const says = unread ? t("bell.unread", { count: unread, shown }) : t("bell");
  return html`
    <button type="button" ref=${bell} class="icon bell ${unread ? "rings" : ""}" data-testid="bell" data-unread=${unread}
      popovertarget="notices" aria-haspopup="dialog" title=${says} aria-label=${says}>
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 17V11a6 6 0 0 1 12 0v6l1.5 2h-15zM10 21.5h4M12 3v2" /></svg>
      ${unread > 0 && html`<span key=${newest} class="badge" aria-hidden="true">${shown}</span>`}
    </button>
    <span class="unseen" aria-live="polite" data-testid="bell-told">${spoken}</span>
    <div id="notices" ref=${panel} class="bell-panel" popover="auto" role="dialog" tabindex="-1" aria-labelledby="notices-title"
      data-testid="notices" onToggle=${toggled}>
      ${open && html`
        <header>
          <h2 id="notices-title">${t(settings ? "bell.settings" : "bell")}</h2>
          <button type="button" class="icon" data-testid="notices-settings" aria-expanded=${settings} onClick=${() => setSettings(!settings)}
            title=${t(settings ? "bell.back" : "bell.settings")} aria-label=${t(settings ? "bell.back" : "bell.settings")}>${GEAR}</button>
          <button type="button" class="icon" data-testid="notices-close" popovertarget="notices" popovertargetaction="hide" aria-label=${t("close")}>
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 5l14 14M19 5L5 19" /></svg>
          </button>
        </header>
        ${settings
          ? html`<${Preferences} />`
          : html`<${List} opened=${opened ?? { newest: newest ?? 0, unread }} onFollow=${() => panel.current.hidePopover()} />`}`}
    </div>`;
}
