// The demo's pay page: stands in for the provider's. Outside the demo there is none.
import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { api } from "./api.js";
import { money, setCurrency } from "./format.js";
import { lang, language } from "./i18n.js";
import { startLink } from "./link.js";
import { session } from "./session.js";
import { SignIn } from "./signin.js";
import { useStore } from "./store.js";
import { TopBar } from "./topbar.js";
import { Action, ErrorNote, html } from "./ui.js";

const WORDS = {
  title: ["Demo payment", "Демо-оплата"],
  lead: [
    "This page stands in for a payment provider's. No real money moves.",
    "Эта страница заменяет страницу платёжной системы. Настоящие деньги не списываются.",
  ],
  sign: ["Sign in as the player who tops up.", "Войдите как игрок, который пополняет баланс."],
  number: ["Payment №{id}", "Платёж №{id}"],
  pay: ["Pay {amount}", "Оплатить {amount}"],
  paid: [
    "Paid. The balance on the player's page has changed already.",
    "Оплачено. Баланс на странице игрока уже изменился.",
  ],
  back: ["To the player's page", "На страницу игрока"],
  missing: ["The address names no payment.", "В адресе нет номера платежа."],
};

const say = (key, values = {}) =>
  WORDS[key][lang() === "ru" ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => values[name]);

const number = new URLSearchParams(location.search).get("payment") ?? "";
const path = /^\d{1,16}$/.test(number) ? `/api/demo/payments/${number}` : null;

// What the real-time link hears may be that this payment arrived, in another tab or by a callback.
let changed = () => {};

function Slip() {
  const [payment, setPayment] = useState(null);
  const [error, setError] = useState(path ? null : new Error(say("missing")));
  const load = useCallback(async () => {
    if (!path) return;
    try {
      const [{ currency }, answer] = await Promise.all([api.get("/api/balance"), api.get(path)]);
      setCurrency(currency);
      setPayment(answer.payment);
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }, []);
  useEffect(() => {
    changed = load;
    load();
    return () => (changed = () => {});
  }, []);

  const pay = async () => {
    setError(null);
    try {
      await api.postMoney(path);
      await load();
    } catch (problem) {
      setError(problem);
    }
  };

  const amount = payment && money(payment.amount);
  const paid = payment?.status === "paid";
  return html`
    <section class="slip" data-testid="slip" data-status=${payment?.status ?? ""}>
      <h2>${say("title")}</h2>
      <p class="quiet">${say("lead")}</p>
      ${payment && html`
        <div class="slip-number"><span>${say("number", { id: payment.id })}</span></div>
        <p class="slip-amount" data-testid="amount">${amount}</p>`}
      <p class="good" role="status">${paid && say("paid")}</p>
      <${ErrorNote} error=${error} />
      ${payment && !paid
        ? html`<${Action} kind="primary big" testid="pay" explain onClick=${pay}>${say("pay", { amount })}<//>`
        : html`<a class="button" href="/">${say("back")}</a>`}
    </section>`;
}

function Page() {
  useStore(language);
  const { user } = useStore(session);
  useEffect(() => {
    document.title = `CyberHub · ${say("title")}`;
  });
  return html`
    <${TopBar} home="/" />
    <main id="content" class="counter" tabindex="-1">
      ${user
        ? html`<${Slip} key=${user.id} />`
        : html`<${SignIn} title=${say("title")} lead=${say("sign")} closed />`}
    </main>`;
}

render(html`<${Page} />`, document.getElementById("app"));
startLink({
  onEvent: (event) => event.startsWith("balance:updated:") && changed(),
  onFresh: () => changed(),
});
