// The cases as the admin sees them: price, lines, what they give back on average.
import { useState } from "preact/hooks";
import { money, percent } from "../format.js";
import { t } from "../i18n.js";
import { Action, Confirm, html, Picture } from "../ui.js";
import { deleteCase } from "./desk.js";
import { Editor } from "./editor.js";

const expected = (box) => Math.round(box.items.reduce((sum, { chance, value }) => sum + chance * value, 0) * 100) / 100;

function CaseRow({ box, onEdit, onDelete }) {
  const gives = expected(box);
  return html`
    <li class="case-row" data-testid="case-row" data-case-id=${box.id}>
      <${Picture} src=${box.image} fallback="/static/art/case-starter.svg" size=${64} />
      <div class="case-row-words">
        <b>${box.name}</b>
        <span class="quiet">${t("admin.lines", { count: box.items.length })} · ${t("admin.return", { amount: money(gives), share: percent(gives / box.price) })}</span>
        <span class="share" aria-hidden="true">
          ${box.items.map((item) => html`<i key=${item.id} class="r-${item.rarity}" title="${item.name}: ${percent(item.chance)}" style=${{ flexGrow: item.chance }}></i>`)}
        </span>
      </div>
      <b class="case-row-price">${money(box.price)}</b>
      <div class="row">
        <button type="button" class="button slim" data-testid="case-edit" onClick=${() => onEdit(box)}>${t("admin.edit")}</button>
        <${Action} kind="slim danger" testid="case-delete" onClick=${() => onDelete(box)}>${t("admin.delete")}<//>
      </div>
    </li>`;
}

export function Cases({ cases }) {
  const [edited, setEdited] = useState(null);
  const [doomed, setDoomed] = useState(null);
  const remove = async () => {
    await deleteCase(doomed.id);
    setDoomed(null);
  };
  return html`
    <section class="panel cases-panel" aria-labelledby="cases-title">
      <header>
        <h2 id="cases-title">${t("cases")}</h2>
        <button type="button" class="button primary slim" data-testid="case-new" onClick=${() => setEdited({})}>${t("admin.new")}</button>
      </header>
      ${cases === null && html`<p class="quiet">${t("loading")}</p>`}
      ${cases?.length === 0 && html`<p class="quiet">${t("admin.cases.none")}</p>`}
      <ul>${cases?.map((box) => html`<${CaseRow} key=${box.id} box=${box} onEdit=${setEdited} onDelete=${setDoomed} />`)}</ul>
      ${edited && html`<${Editor} box=${edited} now=${cases?.find(({ id }) => id === edited.id)} onClose=${() => setEdited(null)} />`}
      ${doomed && html`
        <${Confirm} title=${t("admin.delete.title", { name: doomed.name })} text=${t("admin.delete.ask")} yes=${t("admin.delete")}
          kind="danger" testid="case-delete-confirm" onYes=${remove} onClose=${() => setDoomed(null)} />`}
    </section>`;
}
