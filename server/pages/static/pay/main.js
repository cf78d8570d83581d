// The demo's pay page: it stands in for a payment provider's, and says so.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { money, setCurrency } from "../format.js";
import { client, session } from "../hub.js";
import { language, t } from "../i18n.js";
import { SignIn } from "../signin.js";
import { useStore } from "../store.js";
import { TopBar } from "../topbar.js";
import { Action, ErrorNote, html } from "../ui.js";

const id = new URLSearchParams(location.search).get("payment") ?? "";

function Payment() {
  const [payment, setPayment] = useState(null);
  const [error, setError] = useState(null);
  const load = async () => {
    try {
      setCurrency((await client.get("/api/balance")).currency);
      setPayment((await client.get(`/api/demo/payments/${encodeURIComponent(id)}`)).payment);
    } catch (problem) {
      setError(problem);
    }
  };
  const pay = async () => {
    setError(null);
    try {
      await client.post(`/api/demo/payments/${payment.id}`);
      await load();
    } catch (problem) {
      setError(problem);
    }
  };
  useEffect(() => void load(), []);
  const paid = payment?.status === "paid";
  return html`
    <section class="pay">
      <h1>${t("pay.title")}</h1>
      <p class="note">${t("pay.demo")}</p>
      <${ErrorNote} error=${error} />
      ${payment && html`
        <p class="payment-number"><span>${t("topup.number")} №${payment.id}</span> <b>${money(payment.amount)}</b></p>
        ${paid
          ? html`<p class="good" role="status" data-testid="paid">${t("pay.done")}</p><p><a class="button" href="/">${t("player.page")}</a></p>`
          : html`<${Action} kind="primary big" testid="pay" explain onClick=${pay}>${t("topup.pay", { amount: money(payment.amount) })}<//>`}`}
    </section>`;
}

function Page() {
  useStore(language);
  const { user } = useStore(session);
  useEffect(() => {
    document.title = `CyberHub · ${t("pay.title")}`;
  });
  return html`
    <${TopBar} />
    <main id="content" class="floor guest" tabindex="-1">
      ${user ? html`<${Payment} />` : html`<${SignIn} closed title=${t("pay.title")} lead=${t("pay.demo")} />`}
    </main>`;
}

render(html`<${Page} />`, document.getElementById("app"));
client.start();
