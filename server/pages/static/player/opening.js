// One case in full: every line's odds, then the draw and what it gave.
import { useEffect, useRef, useState } from "preact/hooks";
import { money, percent } from "../format.js";
import { session } from "../hub.js";
import { t } from "../i18n.js";
import { useStore } from "../store.js";
import { Action, Dialog, ErrorNote, html, Picture, Rarity } from "../ui.js";
import { soldOut, topPrize } from "./cases.js";
import { club, newSeed, nextCommitment, openCase } from "./club.js";
import { FairnessPanel } from "./fairness-panel.js";
import { Reel } from "./reel.js";

function Odds({ items }) {
  return html`
    <table class="odds">
      <caption>${t("case.inside")}</caption>
      <thead><tr><th scope="col">${t("case.item")}</th><th scope="col">${t("case.value")}</th><th scope="col">${t("case.chance")}</th></tr></thead>
      <tbody>
        ${[...items].sort((a, b) => a.chance - b.chance).map((item) => html`
          <tr key=${item.id} class="r-${item.rarity} ${item.chance === 0 ? "gone" : ""}">
            <th scope="row"><${Picture} src=${item.image} size=${40} /><span>${item.name}<${Rarity} of=${item.rarity} /></span></th>
            <td>${money(item.value)}</td>
            <td><b>${item.chance === 0 ? t("case.soldout") : percent(item.chance)}</b><i class="bar" style=${{ "--part": item.chance }}></i></td>
          </tr>`)}
      </tbody>
    </table>`;
}

function Look({ box, error, commitment, clientSeed, onSeed, onOpen, onTopUp }) {
  const { user } = useStore(session);
  const { me } = useStore(club);
  const missing = me ? Math.max(0, Math.round((box.price - me.balance) * 100) / 100) : 0;
  return html`
    <div class="look r-${topPrize(box.items).rarity}" data-testid="case-view" data-case-id=${box.id}>
      <div class="look-art"><${Picture} src=${box.image} fallback="/static/art/case-starter.svg" size=${200} /></div>
      <h2>${box.name}</h2>
      <${Odds} items=${box.items} />
      <div class="look-act">
        <${ErrorNote} error=${error}>
          ${error?.code === "insufficient_balance" && missing === 0 && html`<${Action} kind="slim" testid="topup-offer" onClick=${() => onTopUp(missing)}>${t("topup")}<//>`}
        <//>
        ${!user
          ? html`<p class="note">${t("sign.to.open")}</p>`
          : html`
            ${missing > 0 && !error && html`<p class="missing">${t("case.missing", { amount: money(missing) })}</p>`}
            <div class="row">
              <${Action} kind="primary big" testid="open-case" explain disabled=${soldOut(box)} onClick=${onOpen}>
                ${soldOut(box) ? t("case.soldout") : t("case.open", { price: money(box.price) })}
              <//>
              ${missing > 0 && html`<${Action} kind="big" testid="topup-offer" onClick=${() => onTopUp(missing)}>${t("topup")}<//>`}
            </div>
            <details class="seeds">
              <summary>${t("fair.before")}</summary>
              <p class="quiet">${t("fair.before.lead")}</p>
              <dl class="numbers">
                <dt>${t("fair.serverSeedHash")}</dt><dd><code data-testid="commitment">${commitment?.serverSeedHash ?? "…"}</code></dd>
                <dt><label for="client-seed">${t("fair.clientSeed")}</label></dt>
                <dd><input id="client-seed" maxlength="64" spellcheck=${false} value=${clientSeed} onInput=${(event) => onSeed(event.target.value)} /></dd>
              </dl>
            </details>`}
      </div>
    </div>`;
}

function Result({ won, onTake, onAgain }) {
  const { item, inventoryId } = won;
  const take = useRef(null);
  useEffect(() => take.current?.focus({ preventScroll: true }), []);
  return html`
    <div class="result r-${item.rarity}">
      <p class="result-word">${t("open.won")}</p>
      <div class="result-art"><${Picture} src=${item.image} size=${180} /></div>
      <h2 data-testid="reveal-item" data-inventory-id=${inventoryId} aria-live="assertive">${item.name}</h2>
      <p><${Rarity} of=${item.rarity} /> · ${money(item.value)}</p>
      <p class="quiet">${t("open.kept", { id: inventoryId })}</p>
      <div class="row center">
        <button type="button" ref=${take} class="button primary big" data-testid="reveal-close" onClick=${onTake}>${t("open.take")}</button>
        <button type="button" class="button big" data-testid="open-again" onClick=${onAgain}>${t("open.again")}</button>
      </div>
      <${FairnessPanel} opening=${won.opening} item=${item} commitment=${won.commitment} />
    </div>`;
}

export function CaseDialog({ caseId, onClose, onSpin, onTopUp }) {
  const { cases } = useStore(club);
  const { user } = useStore(session);
  const current = cases?.find((one) => one.id === caseId);
  // The reel keeps turning although the admin has just taken the case down.
  const known = useRef(current);
  if (current) known.current = current;
  const box = known.current;

  const [stage, setStage] = useState("look"); // look, drawing, reel, won
  const [error, setError] = useState(null);
  const [won, setWon] = useState(null);
  const [commitment, setCommitment] = useState(null);
  const [clientSeed, setClientSeed] = useState(newSeed);

  // Two dialogs follow each other here, so neither knows where the focus was at first.
  const [cameFrom] = useState(() => document.activeElement);
  useEffect(() => () => void setTimeout(() => cameFrom?.focus()), []);
  useEffect(() => {
    if (user && stage === "look") nextCommitment().then(setCommitment, () => setCommitment(null));
  }, [user?.id, stage]);
  useEffect(() => {
    onSpin(stage === "drawing" || stage === "reel");
    return () => onSpin(false);
  }, [stage]);

  const open = async () => {
    setError(null);
    try {
      // Without the hash from before there would be nothing to hold the club to.
      const promised = commitment ?? (await nextCommitment());
      setStage("drawing");
      const answer = await openCase(caseId, clientSeed.trim() || newSeed());
      setWon({ ...answer, commitment: promised });
      setStage("reel");
    } catch (problem) {
      setError(problem);
      setStage("look");
    }
  };
  const again = () => {
    setWon(null);
    setClientSeed(newSeed());
    setStage("look");
  };

  if (stage === "look") {
    return html`
      <${Dialog} key="look" label=${box?.name ?? ""} kind="wide" onClose=${onClose}>
        ${current
          ? html`<${Look} box=${current} error=${error} commitment=${commitment} clientSeed=${clientSeed}
              onSeed=${setClientSeed} onOpen=${open} onTopUp=${(missing) => (setError(null), onTopUp(missing))} />`
          : html`<p class="note" role="status">${t("case.gone")}</p>`}
      <//>`;
  }
  // Escape during the reel skips it; the draw itself cannot be left.
  const leave = stage === "reel" ? () => setStage("won") : onClose;
  return html`
    <${Dialog} key="reveal" label=${box.name} kind="wide stage" testid="reveal" locked=${stage === "drawing"} onClose=${leave}>
      ${stage === "drawing" && html`
        <div class="drawing"><${Picture} src=${box.image} fallback="/static/art/case-starter.svg" size=${200} /><p role="status">${t("open.drawing")}</p></div>`}
      ${stage === "reel" && html`<${Reel} items=${box.items} item=${won.item} onDone=${() => setStage("won")} />`}
      ${stage === "won" && html`<${Result} won=${won} onTake=${onClose} onAgain=${again} />`}
    <//>`;
}
