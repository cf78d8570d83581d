// Handing out a prize: the player names the ticket's number, staff look it up and settle it.
import { useState } from "preact/hooks";
import { moment, money } from "../format.js";
import { t } from "../i18n.js";
import { Action, Confirm, ErrorNote, Field, html, Picture, Rarity } from "../ui.js";
import { findPrize, setPrizeStatus } from "./desk.js";

export function Prizes() {
  const [number, setNumber] = useState("");
  const [prize, setPrize] = useState(null);
  const [error, setError] = useState(null);
  const [cancelling, setCancelling] = useState(false);

  const look = async (event) => {
    event.preventDefault();
    const id = number.replace(/\D/g, "");
    if (!id) return;
    setError(null);
    setPrize(null);
    try {
      setPrize(await findPrize(id));
    } catch (problem) {
      setError(problem.status === 404 ? new Error(t("prizes.none", { id })) : problem);
    }
  };
  const settle = async (status) => {
    setError(null);
    try {
      setPrize({ ...prize, ...(await setPrizeStatus(prize.id, status)) });
    } catch (problem) {
      setError(problem);
      // Someone was faster: show what it has become.
      findPrize(prize.id).then(setPrize, () => {});
    }
    setCancelling(false);
  };

  return html`
    <section class="panel" aria-labelledby="prizes-title">
      <header><h2 id="prizes-title">${t("prizes")}</h2></header>
      <form class="lookup" onSubmit=${look}>
        <${Field} label=${t("prizes.number")}><input data-testid="prize-number" inputmode="numeric" autocomplete="off" placeholder="#" value=${number} onInput=${(event) => setNumber(event.target.value)} /><//>
        <${Action} type="submit" testid="prize-find">${t("prizes.find")}<//>
      </form>
      <${ErrorNote} error=${error} />
      ${prize && html`
        <div class="prize r-${prize.item.rarity}" data-testid="prize" data-inventory-id=${prize.id} data-status=${prize.status}>
          <${Picture} src=${prize.item.image} size=${84} />
          <div>
            <p><b>#${prize.id} · ${prize.item.name}</b></p>
            <p><${Rarity} of=${prize.item.rarity} /> · ${money(prize.item.value)}</p>
            <p class="quiet">${prize.user && `${t("prizes.owner")}: ${prize.user.username} · `}${t("prizes.won")} ${moment(prize.wonAt)}</p>
            <p class="status-word" role="status">${t(prize.status === "won" ? "prizes.waits" : `status.${prize.status}`)}</p>
            ${prize.status === "won" && html`
              <div class="row">
                <${Action} kind="primary" testid="prize-issue" onClick=${() => settle("issued")}>${t("prizes.issue")}<//>
                <${Action} kind="danger" testid="prize-cancel" onClick=${() => setCancelling(true)}>${t("prizes.cancel")}<//>
              </div>`}
          </div>
        </div>`}
      ${cancelling && html`
        <${Confirm} title=${t("prizes.cancel")} text=${t("prizes.cancel.ask", { id: prize.id })} yes=${t("prizes.cancel")} kind="danger"
          testid="prize-cancel-confirm" onYes=${() => settle("cancelled")} onClose=${() => setCancelling(false)} />`}
    </section>`;
}
