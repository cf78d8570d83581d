// Topping up: an amount, then the payment page or the number for the desk.
import { useEffect, useRef, useState } from "preact/hooks";
import { money, parseMoney } from "../format.js";
import { t } from "../i18n.js";
import { useStore } from "../store.js";
import { Action, Dialog, ErrorNote, Field, html } from "../ui.js";
import { club, createPayment } from "./club.js";

const QUICK = [300, 500, 1000, 3000];

/** Only addresses a browser may be sent to; the provider's answer is not trusted with more. */
function safeUrl(address) {
  if (!address) return null;
  const url = new URL(address, location.origin);
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
}

function Created({ payment, onClose }) {
  const url = safeUrl(payment.payUrl);
  const amount = money(payment.amount);
  const before = useRef(club.get().me?.balance);
  const { me } = useStore(club);
  const arrived = me && me.balance >= before.current + payment.amount;
  return html`
    <div class="created" data-testid="payment" data-payment-id=${payment.id}>
      <p class="payment-number"><span>${t("topup.number")}</span> <b>№${payment.id}</b></p>
      ${!arrived && html`<p>${url ? t("topup.opened") : t("topup.desk", { amount })}</p>`}
      <p class="good" role="status">${arrived && t("topup.arrived")}</p>
      <div class="row end">
        ${url && !arrived && html`<a class="button primary" href=${url} target="_blank" rel="noopener" data-testid="pay-link">${t("topup.pay", { amount })}</a>`}
        <button type="button" class="button" onClick=${onClose}>${t("close")}</button>
      </div>
    </div>`;
}

export function TopUp({ missing, onClose }) {
  const [text, setText] = useState(missing ? String(Math.ceil(missing)) : "500");
  const [error, setError] = useState(null);
  const [payment, setPayment] = useState(null);
  const input = useRef(null);
  useEffect(() => input.current?.select(), []);

  const submit = async () => {
    const amount = parseMoney(text);
    if (!amount) return setError(new Error(t("topup.bad")));
    setError(null);
    try {
      const created = await createPayment(amount);
      setPayment(created);
      const url = safeUrl(created.payUrl);
      // A blocker may swallow this; the link in the dialog stays.
      if (url) window.open(url, "_blank", "noopener");
    } catch (problem) {
      setError(problem);
    }
  };

  return html`
    <${Dialog} label=${t("topup.title")} kind="small" testid="topup-dialog" onClose=${onClose}>
      <h2>${t("topup.title")}</h2>
      ${payment
        ? html`<${Created} payment=${payment} onClose=${onClose} />`
        : html`
          <form onSubmit=${(event) => event.preventDefault()} noValidate>
            <${Field} label=${t("topup.amount")}>
              <input ref=${input} data-testid="topup-amount" inputmode="decimal" autocomplete="off" value=${text} onInput=${(event) => setText(event.target.value)} />
            <//>
            <div class="row quick">
              ${QUICK.map((amount) => html`<button type="button" class="button slim" onClick=${() => setText(String(amount))}>${money(amount)}</button>`)}
            </div>
            <${ErrorNote} error=${error} />
            <div class="row end"><${Action} kind="primary" type="submit" testid="topup-create" explain onClick=${submit}>${t("topup.create")}<//></div>
          </form>`}
    <//>`;
}
