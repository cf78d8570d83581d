// The dialog that is open: what was written, and where one writes.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useBothEnds } from "../bothends.js";
import { t } from "../i18n.js";
import { useStore } from "../store.js";
import { Action, html } from "../ui.js";
import { Composer, useDraft } from "./composer.js";
import { Head } from "./head.js";
import { Message } from "./message.js";
import { outgoing } from "./outgoing.js";
import { loadAgain, loadEarlier, seen, thread } from "./thread.js";
import { typing } from "./typing.js";
import { dayName, nameOf, sameDay } from "./words.js";

const EARLIER_FROM_PX = 400;
const TOGETHER_MS = 5 * 60_000;

/** What is on its way comes last, each once: it may have come back before the answer. */
function useMessages(dialogId, user) {
  const { messages } = useStore(thread);
  const pending = useStore(outgoing).messages.filter((one) => one.dialogId === dialogId);
  const known = new Set(messages.filter(({ sender }) => sender.id === user.id).map(({ localId }) => localId));
  return [...messages, ...pending.filter(({ localId }) => !known.has(localId)).map((one) => ({ ...one, sender: user }))];
}

const keyOf = ({ id, localId, sender }) => (localId ? `${sender.id} ${localId}` : id);

const continues = (message, before) =>
  before &&
  before.sender.id === message.sender.id &&
  before.internal === message.internal &&
  sameDay(before.at, message.at) &&
  new Date(message.at) - new Date(before.at) < TOGETHER_MS;

/** Tells the club what is in front of somebody's eyes. */
function lookAt(box, dialogId) {
  if (document.visibilityState !== "visible" || !document.hasFocus()) return;
  const end = box.scrollTop + box.clientHeight;
  const last = [...box.querySelectorAll("[data-message-id]")].findLast((one) => one.offsetTop < end);
  if (last) seen(dialogId, Number(last.dataset.messageId));
}

function Typing({ dialog, user, messages }) {
  const writing = (useStore(typing)[dialog.id] ?? []).filter((id) => id !== user.id);
  const says =
    writing.length > 1 ? t("dialog.typing.many") : writing.length ? t("dialog.typing", { name: nameOf(writing[0], dialog, messages) }) : "";
  return html`<p class="thread-typing" data-testid="typing"><bdi>${says}</bdi></p>`;
}

function Earlier({ next, earlier }) {
  if (next === null) return html`<li class="thread-says">${t("dialog.beginning")}</li>`;
  if (earlier === "loading") return html`<li class="thread-says">${t("loading")}</li>`;
  return html`<li class="thread-says"><${Action} kind="slim" testid="earlier" onClick=${loadEarlier}>${t("dialog.earlier")}<//></li>`;
}

function Messages({ dialog, user, messages, onEdit, ends }) {
  const { next, earlier, newFrom } = useStore(thread);
  const rows = messages.flatMap((message, n) => {
    const before = messages[n - 1];
    const isNew = message.id === newFrom;
    return [
      (!before || !sameDay(before.at, message.at)) && html`<li key=${`day ${message.at}`} class="thread-day"><span>${dayName(message.at)}</span></li>`,
      isNew && html`<li key="new" class="thread-new" data-testid="new-from"><span>${t("dialog.new")}</span></li>`,
      html`<${Message} key=${keyOf(message)} message=${message} user=${user} onEdit=${onEdit} isFirst=${isNew || !continues(message, before)} />`,
    ];
  });
  return html`
    <ol class="messages" ref=${ends.box} tabindex="0" aria-label=${t("dialog.messages")} data-testid="messages" data-dialog-id=${dialog.id}
      onScroll=${ends.onScroll}>
      <${Earlier} key="earlier" next=${next} earlier=${earlier} />
      ${rows}
    </ol>`;
}

function Open({ dialog, user, onClose }) {
  const messages = useMessages(dialog.id, user);
  const { next, newFrom } = useStore(thread);
  const [draft, setDraft] = useDraft(dialog.id);
  const heading = useRef(null);
  const now = useRef(null);
  now.current = { next, id: dialog.id };

  const ends = useBothEnds(messages.map(keyOf).join(" ") + (next === null), (box) => {
    lookAt(box, now.current.id);
    if (box.scrollTop < EARLIER_FROM_PX && now.current.next !== null && thread.get().earlier === "ready") loadEarlier();
  });

  useLayoutEffect(() => {
    const first = ends.box.current.querySelector(".thread-new");
    if (first) ends.goTo(first);
  }, [newFrom]);

  // The count of what is unread comes after the message; whoever comes back has seen it then, too.
  useEffect(() => lookAt(ends.box.current, dialog.id), [dialog.unread]);
  useEffect(() => {
    const look = () => lookAt(ends.box.current, dialog.id);
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  useEffect(() => heading.current.focus({ preventScroll: true }), []);

  const edit = (text) => setDraft(draft ? `${text}\n${draft}` : text);
  return html`
    <${Head} dialog=${dialog} user=${user} heading=${heading} onClose=${onClose} />
    <div class="thread-body">
      <${Messages} dialog=${dialog} user=${user} messages=${messages} onEdit=${edit} ends=${ends} />
      ${!ends.atEnd && html`
        <button type="button" class="to-end" data-testid="to-end" aria-label=${t("dialog.toEnd")} title=${t("dialog.toEnd")} onClick=${ends.toEnd}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 9l6 6 6-6" /></svg>
          ${dialog.unread > 0 && html`<span class="tally">${dialog.unread}</span>`}
        </button>`}
    </div>
    <${Typing} dialog=${dialog} user=${user} messages=${messages} />
    <${Composer} dialog=${dialog} user=${user} draft=${draft} onDraft=${setDraft} onSent=${ends.toEnd} />`;
}

export function Conversation({ id, dialog, user, onClose }) {
  const { state } = useStore(thread);
  const escape = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !event.target.closest("dialog")) onClose();
  };
  const back = html`<button type="button" class="button slim" onClick=${onClose}>${t("dialogs.back")}</button>`;
  let inside;
  if (id === null)
    inside = html`
      <div class="thread-empty"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 5h16v11H12l-5 4v-4H4zM8 9h8M8 12.5h5" /></svg><p class="quiet">${t("dialogs.pick")}</p></div>`;
  else if (state === "missing" || (state === "ready" && !dialog))
    inside = html`<div class="thread-empty" data-testid="dialog-missing"><p>${t("dialogs.missing")}</p>${back}</div>`;
  else if (state === "failed")
    inside = html`
      <div class="thread-empty"><p role="alert">${t("dialog.failed")}</p>
        <button type="button" class="button slim" onClick=${loadAgain}>${t("dialogs.again")}</button>${back}</div>`;
  else if (state === "loading") inside = html`<div class="thread-empty"><p role="status" class="quiet">${t("loading")}</p>${back}</div>`;
  else inside = html`<${Open} key=${id} dialog=${dialog} user=${user} onClose=${onClose} />`;
  return html`<section class="thread" aria-labelledby="thread-title" data-testid="thread" data-state=${state} onKeyDown=${escape}>${inside}</section>`;
}
