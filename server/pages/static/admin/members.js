// Finding a member and changing the balance, with the reason kept in the ledger.
import { useEffect, useState } from "preact/hooks";
import { money, parseMoney } from "../format.js";
import { t } from "../i18n.js";
import { Action, ErrorNote, Field, html, toast } from "../ui.js";
import { changeBalance, search } from "./desk.js";

const TYPING_MS = 250;

function Correction({ user }) {
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [error, setError] = useState(null);
  const change = async (direction) => {
    const value = parseMoney(amount);
    if (!value) return setError(new Error(t("topup.bad")));
    setError(null);
    try {
      const balance = await changeBalance(direction, user.id, value, reason.trim());
      toast(t("users.done", { name: user.username, amount: money(balance) }));
      setAmount("");
      setReason("");
    } catch (problem) {
      setError(problem);
    }
  };
  return html`
    <form class="correction" onSubmit=${(event) => event.preventDefault()}>
      <p><b>${user.username}</b> <span class="quiet">#${user.id} · ${money(user.balance)}</span></p>
      <div class="correction-fields">
        <${Field} label=${t("topup.amount")}><input data-testid="amount" inputmode="decimal" autocomplete="off" value=${amount} onInput=${(event) => setAmount(event.target.value)} /><//>
        <${Field} label=${t("users.reason")}><input data-testid="reason" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} /><//>
      </div>
      <${ErrorNote} error=${error} />
      <div class="row">
        <${Action} kind="primary" testid="balance-add" onClick=${() => change("add")}>+ ${t("users.add")}<//>
        <${Action} kind="danger" testid="balance-subtract" onClick=${() => change("subtract")}>− ${t("users.subtract")}<//>
      </div>
    </form>`;
}

export function Members({ users, query }) {
  const [typed, setTyped] = useState(query);
  const [picked, setPicked] = useState(null);
  useEffect(() => {
    if (typed.trim() === query) return;
    const timer = setTimeout(() => search(typed.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  // The list brings the newest balance; who was picked stays although the search moves on.
  const current = users?.find(({ id }) => id === picked?.id) ?? picked;
  return html`
    <section class="panel" aria-labelledby="users-title">
      <header><h2 id="users-title">${t("users")}</h2></header>
      <${Field} label=${t("users.search")}><input type="search" data-testid="user-search" autocomplete="off" maxlength="64" value=${typed} onInput=${(event) => setTyped(event.target.value)} /><//>
      <ul class="rows users">
        ${users?.map((user) => html`
          <li key=${user.id}>
            <button type="button" class="user-row" data-testid="user-row" data-user-id=${user.id} data-username=${user.username}
              aria-pressed=${user.id === picked?.id} onClick=${() => setPicked(user)}>
              <span>${user.username}</span><span class="quiet">${t(`role.${user.role}`)}</span><b>${money(user.balance)}</b>
            </button>
          </li>`)}
      </ul>
      ${users?.length === 0 && html`<p class="quiet">${t("users.none")}</p>`}
      ${current ? html`<${Correction} key=${current.id} user=${current} />` : html`<p class="quiet">${t("users.pick")}</p>`}
    </section>`;
}
