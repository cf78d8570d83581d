// What stays at the top of every page: the ways, whose page it is, the bell, the connection.
import { useEffect, useState } from "preact/hooks";
import { Bell } from "./bell.js";
import { clock } from "./format.js";
import { client, link, session } from "./hub.js";
import { switchLanguage, t } from "./i18n.js";
import { Nav } from "./nav.js";
import { useStore } from "./store.js";
import { html, toast } from "./ui.js";

/** Whole seconds until that moment, counted down; 0 when it is over. */
function useSecondsTo(moment) {
  const left = () => Math.max(0, Math.ceil((moment - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = moment > Date.now() && setInterval(() => setSeconds(left()), 250);
    return () => clearInterval(timer);
  }, [moment]);
  return seconds;
}

/** The Wi-Fi sign: green with the transport's name, red while there is no connection. */
function Indicator() {
  const { state, via, retryAt } = useStore(link);
  const seconds = useSecondsTo(retryAt);
  const says =
    state === "reconnecting" && seconds > 0
      ? t("link.reconnecting.in", { seconds })
      : t(`link.${state}`, { transport: via && t(`transport.${via}`) });
  const press = () => {
    if (state !== "online") client.retry();
    // A phone shows no tooltips.
    toast(says, state === "online" ? "good" : "bad");
  };
  return html`
    <button type="button" class="icon indicator" data-testid="indicator" data-state=${state}
      data-transport=${via} title=${says} aria-label=${says} onClick=${press}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path class="arc a3" d="M2.5 9a13.5 13.5 0 0 1 19 0" />
        <path class="arc a2" d="M5.8 12.6a8.8 8.8 0 0 1 12.4 0" />
        <path class="arc a1" d="M9 16.1a4.2 4.2 0 0 1 6 0" />
        <circle class="dot" cx="12" cy="19.4" r="1.7" />
        ${state === "offline" && html`<path class="slash" d="M4 3l16 18" />`}
      </svg>
    </button>`;
}

/** `page`: which of nav.js's entries this is. `quiet`: the bell is not to say what came. */
export function TopBar({ page, quiet = false, children }) {
  const { user } = useStore(session);
  return html`
    <header class="topbar">
      <a class="skip" href="#content">${t("skip.to")}</a>
      <a class="brand" href="/" aria-label="CyberHub">
        <img src="/static/art/favicon.svg" alt="" width="30" height="30" />
        <b>Cyber<i>Hub</i></b>
      </a>
      <${Nav} page=${page} user=${user} />
      <div class="topbar-middle">${children}</div>
      ${user && html`<span class="who" title=${t(`role.${user.role}`)}>${user.username}</span>`}
      ${user && html`<${Bell} quiet=${quiet} />`}
      <${Indicator} />
      <button type="button" class="icon lang" data-testid="lang" title=${t("lang.other")} aria-label=${t("lang.other")}
        onClick=${switchLanguage}>${t("lang.other") === "Русский" ? "EN" : "RU"}</button>
      ${user && html`
        <button type="button" class="icon" data-testid="sign-out" title=${t("sign.out")} aria-label=${t("sign.out")} onClick=${() => client.signOut()}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M10 4H5v16h5M14 8l4 4-4 4M18 12H9" /></svg>
        </button>`}
    </header>`;
}

/** Says that what is on the page is the last known state, and from when. */
export function WaitBanner() {
  const { state } = useStore(link);
  if (state === "online") return null;
  const at = client.seenAt;
  return html`
    <div class="banner" role="status" data-testid="wait-banner">
      <p>${t("wait.banner")} ${at && t("wait.since", { time: clock(at) })}</p>
      <button type="button" class="button slim" onClick=${() => client.retry()}>${t("retry.now")}</button>
    </div>`;
}
