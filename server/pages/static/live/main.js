// The live page: what happens in the club, as it flows.
import { h, render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "htm";
import { lang, language, switchLanguage, t } from "../i18n.js";
import { Nav } from "../nav.js";
import { createStore, kept, useStore } from "../store.js";
import { follow } from "./stream.js";

const html = htm.bind(h);

const SHOWN = 300; // rows: more would make the page slow, and nobody reads that far back
const TELL_EVERY_MS = 4000; // how often a screen reader is told of what is new

const link = createStore({ state: "connecting", via: null, retryAt: 0 });
const log = createStore({ rows: [], held: [], paused: false, total: 0 });
let number = 0;

function add(frame) {
  const row = { id: ++number, at: new Date(), type: frame.type, detail: frame.detail, cursor: frame.cursor };
  row.text = frame.detail === null || frame.detail === undefined ? "" : JSON.stringify(frame.detail);
  log.set(({ rows, held, paused, total }) =>
    paused
      ? { held: [row, ...held].slice(0, SHOWN), total: total + 1 }
      : { rows: [row, ...rows].slice(0, SHOWN), total: total + 1 });
}

function pause() {
  log.set(({ rows, held, paused }) =>
    paused ? { paused: false, rows: [...held, ...rows].slice(0, SHOWN), held: [] } : { paused: true });
}

const clear = () => log.set({ rows: [], held: [] });

const second = (at) => at.toLocaleTimeString(lang(), { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function matches(row, words) {
  const all = `${row.type} ${row.text}`.toLowerCase();
  return words.every((word) => all.includes(word));
}

function Bar() {
  const { state, via, retryAt } = useStore(link);
  const says = state === "online" ? t("live.online", { via: t(`live.via.${via}`) }) : t(`live.${state}`);
  return html`
    <header class="topbar">
      <a class="skip" href="#content">${t("skip.to")}</a>
      <a class="brand" href="/" aria-label="CyberHub">
        <img src="/static/art/favicon.svg" alt="" width="30" height="30" />
        <b>Cyber<i>Hub</i></b>
      </a>
      <${Nav} user=${kept.read("session")?.user} />
      <div class="topbar-middle">
        <span class="link-state" role="status" data-testid="live-state" data-state=${state} data-via=${via} data-retry-at=${retryAt}>${says}</span>
      </div>
      <button type="button" class="icon lang" data-testid="lang" title=${t("lang.other")} aria-label=${t("lang.other")}
        onClick=${switchLanguage}>${t("lang.other") === "Русский" ? "EN" : "RU"}</button>
    </header>`;
}

/** Says in passing how much is new, for those who do not see the list move. */
function Told() {
  const { rows, held, paused, total } = useStore(log);
  const [says, setSays] = useState("");
  const seen = useRef({ total: 0 });
  const now = useRef(null);
  now.current = { total, last: (paused ? held : rows)[0]?.type };
  useEffect(() => {
    const timer = setInterval(() => {
      const { total: all, last } = now.current;
      const count = all - seen.current.total;
      seen.current.total = all;
      if (count > 0 && last) setSays(t("live.told", { count, type: last }));
    }, TELL_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return html`<p class="unseen" role="status" data-testid="live-told">${says}</p>`;
}

function Row({ row }) {
  const [open, setOpen] = useState(false);
  const kind = row.cursor ? "durable" : "passing";
  return html`
    <li class="event ${kind}" data-testid="live-event" data-type=${row.type}>
      <button type="button" aria-expanded=${open} disabled=${!row.text && !row.cursor} onClick=${() => setOpen(!open)}>
        <time datetime=${row.at.toISOString()}>${second(row.at)}</time>
        <b>${row.type}</b>
        <code>${row.text}</code>
      </button>
      ${open && html`
        <div class="event-whole" data-testid="live-whole">
          <p class="quiet">${row.cursor ? t("live.durable", { cursor: row.cursor }) : t("live.passing")}</p>
          ${row.text && html`<pre tabindex="0">${JSON.stringify(row.detail, null, 2)}</pre>`}
        </div>`}
    </li>`;
}

function Live() {
  useStore(language);
  const { rows, held, paused, total } = useStore(log);
  const [filter, setFilter] = useState("");
  const words = useMemo(() => filter.toLowerCase().split(/\s+/).filter(Boolean), [filter]);
  const shown = words.length ? rows.filter((row) => matches(row, words)) : rows;
  useEffect(() => {
    document.title = t("title.live");
  });
  return html`
    <${Bar} />
    <main id="content" class="live" tabindex="-1">
      <h1>${t("live.title")}</h1>
      <div class="live-tools">
        <label class="field">
          <span>${t("live.filter")}</span>
          <input type="search" data-testid="live-filter" value=${filter} autocomplete="off" spellcheck=${false}
            placeholder=${t("live.filter.hint")} onInput=${(event) => setFilter(event.target.value)} />
        </label>
        <button type="button" class="button ${paused ? "primary" : ""}" data-testid="live-pause" aria-pressed=${paused} onClick=${pause}>
          ${paused ? t("live.resume") : t("live.pause")}
        </button>
        <button type="button" class="button" data-testid="live-clear" disabled=${!rows.length && !held.length} onClick=${clear}>${t("live.clear")}</button>
      </div>
      <p class="quiet" data-testid="live-count" data-total=${total} data-held=${held.length}>
        ${paused ? t("live.held", { count: held.length }) : t("live.count", { shown: shown.length, total })}
      </p>
      <${Told} />
      <ol class="events" aria-label=${t("live.title")} aria-live="off">
        ${shown.map((row) => html`<${Row} key=${row.id} row=${row} />`)}
      </ol>
      ${!shown.length && html`<p class="quiet live-empty" data-testid="live-empty">${t(rows.length ? "live.none.match" : "live.none")}</p>`}
    </main>`;
}

render(html`<${Live} />`, document.getElementById("app"));
follow({
  token: () => kept.read("session")?.token ?? null,
  onFrame: (frame) => frame.type !== "welcome" && add(frame),
  onState: ({ state, via = null, retryAt = 0 }) => link.set({ state, via, retryAt }),
});
