// The cases as cards, the way they stand in the club's window.
import { money } from "../format.js";
import { t } from "../i18n.js";
import { html, Picture, Rarity } from "../ui.js";

const RANKS = ["common", "uncommon", "rare", "epic", "legendary"];

/** The rarest line, and among equals the dearest: what a case is opened for. */
export function topPrize(items) {
  return items.reduce((best, item) => {
    const ahead = RANKS.indexOf(item.rarity) - RANKS.indexOf(best.rarity) || item.value - best.value;
    return ahead > 0 ? item : best;
  });
}

export const soldOut = (box) => box.items.every((item) => item.chance === 0);

function CaseCard({ box, onLook }) {
  const best = topPrize(box.items);
  const empty = soldOut(box);
  return html`
    <li>
      <button type="button" class="case-card r-${best.rarity} ${empty ? "empty" : ""}" data-testid="case-card" data-case-id=${box.id}
        onClick=${() => onLook(box.id)}>
        <span class="case-art"><${Picture} src=${box.image} fallback="/static/art/case-starter.svg" size=${180} /></span>
        <span class="case-name">${box.name}</span>
        <span class="case-best"><${Rarity} of=${best.rarity} /> ${best.name}</span>
        <span class="case-price">${empty ? t("case.soldout") : money(box.price)}</span>
      </button>
    </li>`;
}

export function CaseGrid({ cases, onLook }) {
  return html`
    <section id="cases" class="cases" aria-labelledby="cases-title">
      <h2 id="cases-title">${t("cases")}</h2>
      ${cases === null
        ? html`<p class="quiet">${t("loading")}</p>`
        : cases.length === 0
          ? html`<p class="quiet">${t("cases.none")}</p>`
          : html`<ul class="case-grid">${cases.map((box) => html`<${CaseCard} key=${box.id} box=${box} onLook=${onLook} />`)}</ul>`}
    </section>`;
}
