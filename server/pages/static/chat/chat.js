// The club's chat, beside the drops; on a phone a sheet that is opened.
import { useEffect, useRef, useState } from "preact/hooks";
import { useBothEnds } from "../bothends.js";
import { clock, moment } from "../format.js";
import { session } from "../hub.js";
import { t } from "../i18n.js";
import { isStaff, plain } from "../people.js";
import { useSpoken } from "../spoken.js";
import { useStore } from "../store.js";
import { Action, complain, ErrorNote, html } from "../ui.js";
import { Actions } from "./actions.js";
import { earlier, lines, reload, say } from "./lines.js";

const MOST_LETTERS = 500;

function Line({ message, user, onAct }) {
  const { id, user: author, text, at } = message;
  const mayAct = user && (author.id !== user.id || isStaff(user));
  return html`
    <li class="chat-line ${author.id === user?.id ? "mine" : ""}" data-entry data-testid="chat-line" data-chat-id=${id}>
      <b><bdi>${author.username}</bdi></b> <span class="chat-text"><bdi>${text}</bdi></span> <time datetime=${at}>${clock(at)}</time>
      ${mayAct && html`
        <button type="button" class="chat-act" data-testid="chat-act" aria-label=${t("chat.act", { name: plain(author.username) })} onClick=${() => onAct(message)}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="5" cy="12" r="2" /><circle cx="12" cy="12" r="2" /><circle cx="19" cy="12" r="2" /></svg>
        </button>`}
    </li>`;
}

/** The time of a mute stands in the server's sentence. */
function saidOf(error) {
  const until = error.code === "muted" && /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(error.message)?.[0];
  return until ? new Error(t("error.muted", { time: moment(until) })) : error;
}

function Say({ onSaid }) {
  const [text, setText] = useState("");
  const [error, setError] = useState(null);
  const field = useRef(null);
  const submit = async () => {
    const said = text.trim();
    if (!said) return field.current.focus();
    setError(null);
    try {
      await say(said);
      setText("");
      onSaid();
    } catch (problem) {
      setError(problem);
    }
    field.current.focus();
  };
  return html`
    <form class="chat-say" onSubmit=${(event) => event.preventDefault()}>
      <${ErrorNote} error=${error && saidOf(error)} />
      <div class="composer-row">
        <input ref=${field} data-testid="chat-text" maxlength=${MOST_LETTERS} autocomplete="off" dir="auto" enterkeyhint="send" aria-label=${t("chat.label")}
          placeholder=${t("chat.placeholder")} value=${text} onInput=${(event) => setText(event.target.value)} />
        <${Action} kind="primary" type="submit" testid="chat-send" onClick=${submit}>${t("chat.send")}<//>
      </div>
    </form>`;
}

function Lines({ messages, next, state, user, ends, onAct }) {
  const more = () => earlier().catch(complain);
  return html`
    <ol class="chat-lines" ref=${ends.box} tabindex="0" aria-label=${t("chat")} data-testid="chat-lines" data-state=${state} onScroll=${ends.onScroll}>
      ${next !== null && html`<li key="more" class="chat-says"><${Action} kind="slim" onClick=${more}>${t("chat.more")}<//></li>`}
      ${messages?.map((message) => html`<${Line} key=${message.id} message=${message} user=${user} onAct=${onAct} />`)}
      ${messages === null && state === "loading" && html`<li class="chat-says">${t("loading")}</li>`}
      ${messages?.length === 0 && html`<li class="chat-says" data-testid="chat-none">${t("chat.none")}</li>`}
      ${state === "failed" && html`<li class="chat-says" role="alert">${t("chat.failed")} <button type="button" class="link" onClick=${reload}>${t("dialogs.again")}</button></li>`}
    </ol>`;
}

/** `isOpen` and `onClose` matter on a phone only, where it lies over the page. */
export function Chat({ isOpen, onClose }) {
  const { user } = useStore(session);
  const { messages, next, state } = useStore(lines);
  const [acting, setActing] = useState(null);
  const title = useRef(null);
  const ends = useBothEnds(`${messages?.[0]?.id} ${messages?.length} ${messages?.at(-1)?.id}`);
  const last = messages?.findLast(({ user: author }) => author.id !== user?.id);
  // What was there already is no news.
  const known = useRef(undefined);
  if (known.current === undefined && state === "ready") known.current = last?.id ?? 0;
  const spoken = useSpoken(last?.id > known.current ? last.id : undefined, () =>
    t("dialog.says", { name: plain(last.user.username), text: plain(last.text) }));
  useEffect(() => {
    if (!isOpen) return;
    title.current.focus();
    ends.toEnd();
  }, [isOpen]);
  const escape = (event) => event.key === "Escape" && isOpen && !event.target.closest("dialog") && onClose();
  return html`
    <section id="chat" class="chat ${isOpen ? "open" : ""}" aria-labelledby="chat-title" data-testid="chat" onKeyDown=${escape}>
      <header>
        <h2 id="chat-title" tabindex="-1" ref=${title}>${t("chat")}</h2>
        <button type="button" class="icon chat-close" data-testid="chat-close" aria-label=${t("close")} onClick=${onClose}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 5l14 14M19 5L5 19" /></svg>
        </button>
      </header>
      <div class="chat-body">
        <${Lines} messages=${messages} next=${next} state=${state} user=${user} ends=${ends} onAct=${setActing} />
        ${!ends.atEnd && html`
          <button type="button" class="to-end" aria-label=${t("dialog.toEnd")} title=${t("dialog.toEnd")} onClick=${ends.toEnd}>
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 9l6 6 6-6" /></svg>
          </button>`}
      </div>
      ${user ? html`<${Say} onSaid=${ends.toEnd} />` : html`<p class="quiet chat-guest">${t("chat.guest")}</p>`}
      <span class="unseen" aria-live="polite" data-testid="chat-told">${spoken}</span>
      ${acting && html`<${Actions} message=${acting} user=${user} onClose=${() => setActing(null)} />`}
    </section>`;
}

/** The way to it on a phone; a dot says that something was written since it was last open. */
export function ChatTab({ isOpen, onOpen }) {
  const { messages } = useStore(lines);
  const newest = messages?.at(-1)?.id;
  const [seen, setSeen] = useState(undefined);
  useEffect(() => {
    if (newest !== undefined && (isOpen || seen === undefined)) setSeen(newest);
  }, [newest, isOpen]);
  const isNew = !isOpen && seen !== undefined && newest > seen;
  return html`
    <button type="button" class="chat-tab ${isNew ? "new" : ""}" data-testid="chat-open" aria-expanded=${isOpen} aria-controls="chat" onClick=${onOpen}>
      ${t("chat.open")}${isNew && html`<span class="unseen">, ${t("chat.new")}</span>`}
    </button>`;
}
