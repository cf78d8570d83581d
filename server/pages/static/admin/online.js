// Who is connected at the moment, and how.
import { clock, number } from "../format.js";
import { t } from "../i18n.js";
import { html } from "../ui.js";

export function Online({ connections }) {
  const sorted = [...(connections ?? [])].sort((a, b) => (a.username ?? "\uffff").localeCompare(b.username ?? "\uffff") || a.since.localeCompare(b.since));
  return html`
    <section class="panel" aria-labelledby="online-title">
      <header><h2 id="online-title">${t("online")}</h2><b class="count">${connections && number(connections.length)}</b></header>
      ${connections?.length === 0 && html`<p class="quiet">${t("online.none")}</p>`}
      <ul class="rows">
        ${sorted.map((one) => html`
          <li key=${one.id} class="connection" data-testid="connection-row" data-user-id=${one.userId} data-transport=${one.transport}>
            <span class=${one.username ? "" : "quiet"}>${one.username ?? t("online.guest")}</span>
            <span class="quiet">${one.address}</span>
            <span class="transport">${one.transport}</span>
            <time class="quiet" datetime=${one.since}>${t("online.since", { time: clock(one.since) })}</time>
          </li>`)}
      </ul>
    </section>`;
}
