// Who is connected at the moment, at which door, and how it goes.
import { clock, number } from "../format.js";
import { t } from "../i18n.js";
import { html } from "../ui.js";

/** How far the connection has come, what waits for it, and how the one before it ended. */
function How({ of: { position, lag, bufferedBytes, lastClose } }) {
  const words = [
    position && t("online.at", { position }),
    lag > 0 && t("online.lag", { count: number(lag) }),
    bufferedBytes > 0 && t("online.waiting", { size: number(Math.ceil(bufferedBytes / 1024)) }),
    lastClose && t("online.closed", { reason: lastClose.reason, time: clock(lastClose.at) }),
  ].filter(Boolean);
  return html`<small class="quiet how" data-testid="connection-how">${words.join(" · ")}</small>`;
}

export function Online({ connections }) {
  const sorted = [...(connections ?? [])].sort((a, b) => (a.username ?? "\uffff").localeCompare(b.username ?? "\uffff") || a.since.localeCompare(b.since));
  return html`
    <section class="panel" aria-labelledby="online-title">
      <header><h2 id="online-title">${t("online")}</h2><a class="crossing" href="/live">${t("online.live")}</a><b class="count">${connections && number(connections.length)}</b></header>
      ${connections?.length === 0 && html`<p class="quiet">${t("online.none")}</p>`}
      <ul class="rows">
        ${sorted.map((one) => html`
          <li key=${one.id} class="connection" data-testid="connection-row" data-user-id=${one.userId} data-transport=${one.transport} data-lag=${one.lag}>
            <span class=${one.username ? "" : "quiet"}>${one.username ?? t("online.guest")}</span>
            <span class="quiet">${one.address}</span>
            <span class="transport">${one.transport}</span>
            <time class="quiet" datetime=${one.since}>${t("online.since", { time: clock(one.since) })}</time>
            <${How} of=${one} />
          </li>`)}
      </ul>
    </section>`;
}
