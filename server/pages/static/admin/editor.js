// Editing one case: its name, picture, price, and its lines with their live chances.
import { useEffect, useRef, useState } from "preact/hooks";
import { CASE_ART, ITEM_ART } from "../art.js";
import { percent } from "../format.js";
import { t } from "../i18n.js";
import { Action, Dialog, ErrorNote, Field, html, Picture } from "../ui.js";
import { saveCase } from "./desk.js";
import { bodyOf, chances, draftOf, newLine, RARITIES } from "./draft.js";

/** A picture from the club's own art, or any address. */
function ImagePicker({ art, value, fallback, label, onPick }) {
  const [open, setOpen] = useState(false);
  const pick = (image) => (onPick(image), setOpen(false));
  const escape = (event) => {
    if (event.key !== "Escape") return;
    // It closes the choice, not the dialog around it.
    event.preventDefault();
    setOpen(false);
  };
  return html`
    <button type="button" class="picker-shown" aria-expanded=${open} aria-label=${label} title=${label}
      onClick=${() => setOpen(!open)} onKeyDown=${open && escape}>
      <${Picture} src=${value} fallback=${fallback} size=${52} />
    </button>
    ${open && html`
      <div class="picker-choice" onKeyDown=${escape}>
        <div class="picker-art">
          ${art.map((image) => html`
            <button type="button" key=${image} aria-pressed=${image === value} aria-label=${image.slice(image.lastIndexOf("-") + 1, -4)} onClick=${() => pick(image)}>
              <img src=${image} alt="" width="52" height="52" />
            </button>`)}
        </div>
        <${Field} label=${t("edit.image.url")}>
          <input inputmode="url" maxlength="500" placeholder="https://" value=${value} onInput=${(event) => onPick(event.target.value)} />
        <//>
      </div>`}`;
}

function Line({ line, n, chance, onChange, onRemove }) {
  const set = (name) => (event) => onChange({ ...line, [name]: event.target.value });
  return html`
    <li class="line r-${line.rarity}">
      <${ImagePicker} art=${ITEM_ART} value=${line.image} label=${t("edit.image")} onPick=${(image) => onChange({ ...line, image })} />
      <label class="cell name"><span>${t("edit.name")}</span><input data-testid="line-name" maxlength="120" value=${line.name} onInput=${set("name")} /></label>
      <label class="cell rarity-cell"><span>${t("edit.rarity")}</span>
        <select data-testid="line-rarity" value=${line.rarity} onChange=${set("rarity")}>
          ${RARITIES.map((rarity) => html`<option key=${rarity} value=${rarity} selected=${rarity === line.rarity}>${t(`rarity.${rarity}`)}</option>`)}
        </select>
      </label>
      <label class="cell value-cell"><span>${t("edit.value")}</span><input data-testid="line-value" inputmode="decimal" value=${line.value} onInput=${set("value")} /></label>
      <label class="cell"><span>${t("edit.weight")}</span><input data-testid="line-weight" inputmode="numeric" value=${line.weight} onInput=${set("weight")} /></label>
      <div class="cell chance"><span>${t("edit.chance")}</span><output data-testid="line-chance">${chance === null ? "?" : percent(chance)}</output></div>
      <label class="cell stock-cell"><span>${t("edit.stock")}</span><input data-testid="line-stock" inputmode="numeric" placeholder=${t("edit.stock.hint")} value=${line.stock} onInput=${set("stock")} /></label>
      <button type="button" class="icon" data-testid="line-remove" aria-label=${t("edit.remove", { n })} title=${t("edit.remove", { n })} onClick=${onRemove}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6L6 18" /></svg>
      </button>
    </li>`;
}

/** `box`: what editing began with ({} for a new case). `now`: the same case as it is at present. */
export function Editor({ box, now, onClose }) {
  const [draft, setDraft] = useState(() => draftOf(box));
  const [error, setError] = useState(null);
  const list = useRef(null);
  const added = useRef(false);
  const odds = chances(draft.lines);
  const changedMeanwhile = box.id && JSON.stringify(now) !== JSON.stringify(box);

  useEffect(() => {
    // A new line is there to be typed into.
    if (added.current) list.current.lastElementChild.querySelector("input").focus();
    added.current = false;
  }, [draft.lines.length]);

  const change = (part) => setDraft((before) => ({ ...before, ...part }));
  const setLine = (line) => setDraft((before) => ({ ...before, lines: before.lines.map((one) => (one.key === line.key ? line : one)) }));
  const add = () => {
    added.current = true;
    change({ lines: [...draft.lines, newLine()] });
  };
  const save = async () => {
    setError(null);
    try {
      await saveCase(bodyOf(draft));
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };

  const title = box.id ? t("edit.title") : t("edit.title.new");
  return html`
    <${Dialog} label=${title} kind="editor" testid="case-editor" onClose=${onClose}>
      <h2>${title}</h2>
      ${changedMeanwhile && html`<p class="note">${t("edit.changed")}</p>`}
      <div class="editor-head">
        <${ImagePicker} art=${CASE_ART} value=${draft.image} fallback="/static/art/case-starter.svg" label=${t("edit.image")} onPick=${(image) => change({ image })} />
        <${Field} label=${t("edit.name")}><input data-testid="case-name" maxlength="120" value=${draft.name} onInput=${(event) => change({ name: event.target.value })} /><//>
        <${Field} label=${t("edit.price")}><input data-testid="case-price" inputmode="decimal" value=${draft.price} onInput=${(event) => change({ price: event.target.value })} /><//>
      </div>
      <h3>${t("edit.lines")}</h3>
      <ul class="lines" ref=${list}>
        ${draft.lines.map((line, n) => html`
          <${Line} key=${line.key} line=${line} n=${n + 1} chance=${odds[n]} onChange=${setLine}
            onRemove=${() => change({ lines: draft.lines.filter((one) => one.key !== line.key) })} />`)}
      </ul>
      <button type="button" class="button slim" data-testid="line-add" onClick=${add}>+ ${t("edit.add")}</button>
      <div class="editor-foot">
        <${ErrorNote} error=${error} />
        <div class="row end">
          <button type="button" class="button" onClick=${onClose}>${t("cancel")}</button>
          <${Action} kind="primary" testid="case-save" explain onClick=${save}>${t("edit.save")}<//>
        </div>
      </div>
    <//>`;
}
