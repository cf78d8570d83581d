// The parts that both pages are made of.
import { h } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import htm from "htm";
import { link } from "./hub.js";
import { t } from "./i18n.js";
import { sentence } from "./sentences.js";
import { createStore, useStore } from "./store.js";

export const html = htm.bind(h);

/** A modal dialog; Escape and a click beside it close it unless `locked`. */
export function Dialog({ label, kind = "", testid, locked, onClose, children }) {
  const element = useRef(null);
  const leaving = useRef(false);
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      leaving.current = true;
      dialog.close();
      // The browser gives the focus back only for a dialog that is still in the page.
      if (document.activeElement === document.body && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  const close = () => leaving.current || locked || onClose();
  return html`
    <dialog ref=${element} class="dialog ${kind}" aria-label=${label} data-testid=${testid}
      onCancel=${(event) => (event.preventDefault(), close())}
      onClose=${() => leaving.current || onClose()}
      onPointerDown=${(event) => event.target === element.current && close()}>
      <div class="dialog-body">
        ${!locked && html`<button type="button" class="icon dialog-close" aria-label=${t("close")} onClick=${onClose}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 5l14 14M19 5L5 19" /></svg>
        </button>`}
        ${children}
      </div>
    </dialog>`;
}

/**
 * A button that waits while there is no connection, and says so. `explain`: in words beside its
 * label. `queues`: it need not wait, since what it does does. One that is at work is not disabled:
 * it would lose the focus.
 */
export function Action({ kind = "", explain, queues, disabled, type = "button", onClick, testid, title, children, ...rest }) {
  const [busy, setBusy] = useState(false);
  const waits = useStore(link).state !== "online" && !queues;
  const isBusy = useRef(false);
  const press = async (event) => {
    if (isBusy.current) return;
    setBusy((isBusy.current = true));
    try {
      await onClick(event);
    } finally {
      setBusy((isBusy.current = false));
    }
  };
  return html`
    <button type=${type} class="button ${kind} ${busy ? "busy" : ""}" data-testid=${testid}
      disabled=${disabled || waits} aria-disabled=${busy ? "true" : undefined} title=${waits ? t("wait.banner") : title}
      onClick=${onClick && press} ...${rest}>
      <span>${children}</span>
      ${waits && explain && html`<small class="why">${t("wait.short")}</small>`}
    </button>`;
}

/** What went wrong, with the seconds counted down where waiting helps. */
export function ErrorNote({ error, children }) {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (!error?.retryAfterS) return setLeft(0);
    const until = Date.now() + error.retryAfterS * 1000;
    const tick = () => setLeft(Math.max(0, (until - Date.now()) / 1000));
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [error]);
  if (!error || (error.status === 429 && error.retryAfterS && left <= 0)) return null;
  const text = error.status === 429 ? sentence({ ...error, status: 429, retryAfterS: left }) : sentence(error);
  return html`<div class="error" role="alert" data-testid="error" data-code=${error.code}><p>${text}</p>${children}</div>`;
}

const toasts = createStore({ list: [] });
let lastToast = 0;

/** A passing note; `kind` is "good" or "bad". */
export function toast(text, kind = "good") {
  const id = ++lastToast;
  toasts.set(({ list }) => ({ list: [...list.slice(-2), { id, text, kind }] }));
  setTimeout(() => toasts.set(({ list }) => ({ list: list.filter((one) => one.id !== id) })), 6000);
}

export const complain = (error) => toast(sentence(error), "bad");

export function Toasts() {
  const { list } = useStore(toasts);
  return html`<div class="toasts" role="status" data-testid="toasts">
    ${list.map(({ id, text, kind }) => html`<p key=${id} class="toast ${kind}">${text}</p>`)}
  </div>`;
}

/** The club's art or an address of the admin's; one that cannot be loaded leaves its place empty. */
export function Picture({ src, fallback = "/static/art/item-coins.svg", size = 96 }) {
  const [broken, setBroken] = useState(null);
  const shown = src || fallback;
  const fail = () => {
    setBroken(shown);
    // It may be the connection's fault only.
    const forget = link.subscribe(({ state }) => state === "online" && (forget(), setBroken(null)));
  };
  // Another key makes another element, which asks for the picture again.
  return html`<img key=${broken === shown} class="picture ${broken === shown ? "broken" : ""}" src=${shown} alt=""
    width=${size} height=${size} loading="lazy" decoding="async" onError=${broken === shown ? undefined : fail} />`;
}

export const Rarity = ({ of }) => html`<span class="rarity r-${of}">${t(`rarity.${of}`)}</span>`;

export function Field({ label, children, hint }) {
  return html`<label class="field"><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

/**
 * A field that says at itself what is wrong. `input` makes the input out of what that has to carry.
 */
export function CheckedField({ label, problem, hint, input }) {
  const id = useId();
  const note = problem ?? hint;
  return html`
    <div class="field ${problem ? "wrong" : ""}">
      <label for=${id}>${label}</label>
      ${input({ id, "aria-invalid": problem ? "true" : undefined, "aria-describedby": note ? `${id}-note` : undefined })}
      ${note && html`<small id=${`${id}-note`}>${note}</small>`}
    </div>`;
}

/** Asks before what cannot be taken back. `onYes` may be asynchronous; its error is shown here. */
export function Confirm({ title, text, yes, kind = "primary", queues, testid, onYes, onClose }) {
  const [error, setError] = useState(null);
  const run = async () => {
    setError(null);
    try {
      await onYes();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`
    <${Dialog} label=${title} kind="small" onClose=${onClose}>
      <h2>${title}</h2>
      <p>${text}</p>
      <${ErrorNote} error=${error} />
      <div class="row end">
        <button type="button" class="button" onClick=${onClose}>${t("cancel")}</button>
        <${Action} kind=${kind} testid=${testid} queues=${queues} explain onClick=${run}>${yes}<//>
      </div>
    <//>`;
}
