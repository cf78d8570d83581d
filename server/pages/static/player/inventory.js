// The prizes, each a ticket with the number that the counter asks for.
import { useState } from "preact/hooks";
import { moment, money } from "../format.js";
import { t } from "../i18n.js";
import { Action, Confirm, html, Picture, Rarity, toast } from "../ui.js";
import { claim } from "./club.js";

const SHOWN_AT_FIRST = 12;

function Ticket({ entry, waits, onClaim }) {
  const { id, item, status } = entry;
  const from = entry.case?.name ?? entry.case;
  return html`
    <li class="ticket r-${item.rarity} ${status}" data-testid="inventory-item" data-inventory-id=${id} data-status=${status}>
      <div class="ticket-art"><${Picture} src=${item.image} size=${72} /></div>
      <div class="ticket-words">
        <b>${item.name}</b>
        <span class="ticket-line"><${Rarity} of=${item.rarity} /><span class="status">${t(`status.${status}`)}</span></span>
        <span class="quiet">${moment(entry.wonAt)}${from ? ` · ${t("inventory.from", { name: from })}` : ""}</span>
        ${status === "won" && (waits
          ? html`<span class="quiet" data-testid="claim-waits">${t("claim.waits")}</span>`
          : item.value > 0
          ? html`<${Action} kind="slim" testid="claim" queues onClick=${() => onClaim(entry)}>${t("claim", { amount: money(item.value) })}<//>`
          : html`<span class="quiet">${t("inventory.desk.only")}</span>`)}
      </div>
      <div class="ticket-stub" title=${status === "won" ? t("inventory.desk", { id }) : ""}>
        <span aria-hidden="true">№</span><b aria-label=${t("inventory.desk", { id })}>${id}</b>
      </div>
    </li>`;
}

export function Inventory({ items, waiting }) {
  const [asked, setAsked] = useState(null);
  const [all, setAll] = useState(false);
  // What still waits comes first; newest first within.
  const sorted = [...(items ?? [])].sort((a, b) => (b.status === "won") - (a.status === "won") || b.id - a.id);
  const shown = all ? sorted : sorted.slice(0, SHOWN_AT_FIRST);
  const take = async () => {
    const done = await claim(asked.id);
    toast(done ? t("claim.done", { amount: money(asked.item.value) }) : t("claim.waits"));
    setAsked(null);
  };
  return html`
    <section id="inventory" class="inventory" aria-labelledby="inventory-title">
      <h2 id="inventory-title">${t("inventory")}</h2>
      ${items && items.length === 0 && html`<p class="quiet">${t("inventory.none")}</p>`}
      <ul class="tickets">${shown.map((entry) => html`<${Ticket} key=${entry.id} entry=${entry} waits=${waiting.includes(entry.id)} onClaim=${setAsked} />`)}</ul>
      ${shown.length < sorted.length && html`<button type="button" class="button" onClick=${() => setAll(true)}>${t("more")} (${sorted.length - shown.length})</button>`}
      ${asked && html`
        <${Confirm} title=${t("claim.title")} yes=${t("claim", { amount: money(asked.item.value) })} testid="claim-confirm" queues
          text=${t("claim.ask", { name: asked.item.name, amount: money(asked.item.value) })} onYes=${take} onClose=${() => setAsked(null)} />`}
    </section>`;
}
