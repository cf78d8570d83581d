// The list of dialogs; for the staff an inbox with filters.
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n.js";
import { isStaff } from "../people.js";
import { useStore } from "../store.js";
import { Action, html } from "../ui.js";
import { choose, list, more, reload, shown } from "./list.js";
import { typing } from "./typing.js";
import { nameOf, playersOf, titleOf, when } from "./words.js";

const STATUSES = ["open", "pending", "resolved", ""];
const WHOSE = ["", "me", "none"];

function Filters({ state }) {
  return html`
    <div class="inbox-filters">
      <fieldset class="segments" data-testid="inbox-status">
        <legend class="unseen">${t("dialogs.filter")}</legend>
        ${STATUSES.map((status) => html`
          <label key=${status}>
            <input type="radio" name="status" value=${status} checked=${state.status === status} onChange=${() => choose({ status })} />
            <span>${t(`dialogs.status.${status || "all"}`)}</span>
          </label>`)}
      </fieldset>
      <select class="inbox-whose" data-testid="inbox-whose" aria-label=${t("dialogs.whose")} onChange=${(event) => choose({ assignee: event.target.value })}>
        ${WHOSE.map((whose) => html`<option key=${whose} value=${whose} selected=${whose === state.assignee}>${t(`dialogs.whose.${whose || "all"}`)}</option>`)}
      </select>
      <label class="tick">
        <input type="checkbox" data-testid="inbox-unread-first" checked=${state.unreadFirst} onChange=${(event) => choose({ unreadFirst: event.target.checked })} />
        <span>${t("dialogs.unreadFirst")}</span>
      </label>
    </div>`;
}

function Last({ dialog, user }) {
  const writing = useStore(typing)[dialog.id]?.filter((id) => id !== user.id) ?? [];
  if (writing.length) {
    return html`<span class="entry-last typing">${t("dialog.typing", { name: nameOf(writing[0], dialog) })}</span>`;
  }
  const { sender, text, internal } = dialog.lastMessage;
  const from = sender.id === user.id ? t("dialogs.you") : sender.username;
  return html`<span class="entry-last ${internal ? "note-mark" : ""}"><bdi>${from}</bdi>: <bdi>${text}</bdi></span>`;
}

function Entry({ dialog, user, isOpen }) {
  const { id, status, assignee, unread, lastMessage } = dialog;
  const names = isStaff(user) && dialog.subject ? playersOf(dialog, user).map((one) => one.username) : [];
  return html`
    <li>
      <a class="entry ${unread ? "unread" : ""} ${status}" href="#${id}" id=${`dialog-${id}`} aria-current=${isOpen ? "true" : undefined}
        data-testid="dialog-entry" data-dialog-id=${id} data-status=${status} data-unread=${unread}>
        <span class="entry-top">
          <b><bdi>${titleOf(dialog, user)}</bdi></b>
          <time datetime=${lastMessage.at}>${when(lastMessage.at)}</time>
        </span>
        ${names.length > 0 && html`<span class="entry-who"><bdi>${names.join(", ")}</bdi></span>`}
        <${Last} dialog=${dialog} user=${user} />
        <span class="entry-foot">
          <span class="status ${status}">${t(`dialog.status.${status}`)}</span>
          ${isStaff(user) && assignee && html`<span>${assignee.id === user.id ? t("dialog.taken.me") : html`<bdi>${t("dialog.taken", { name: assignee.username })}</bdi>`}</span>`}
          ${unread > 0 && html`<span class="tally" aria-label=${t("dialogs.unread", { count: unread })}>${unread}</span>`}
        </span>
      </a>
    </li>`;
}

/** Reads on as soon as the end of the list is looked at. */
function End({ next }) {
  const element = useRef(null);
  useEffect(() => {
    const watch = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && more());
    watch.observe(element.current);
    return () => watch.disconnect();
  }, [next]);
  return html`<div class="row center" ref=${element}><${Action} kind="slim" onClick=${more}>${t("more")}<//></div>`;
}

export function Inbox({ user, openId, onNew }) {
  const state = useStore(list);
  const dialogs = shown(state);
  const staff = isStaff(user);
  return html`
    <section class="inbox" aria-labelledby="inbox-title">
      <header>
        <h1 id="inbox-title">${t(staff ? "dialogs.inbox" : "dialogs")}</h1>
        <button type="button" class="button primary slim" data-testid="dialog-new" onClick=${onNew}><span>${t("dialogs.new")}</span></button>
      </header>
      ${staff && html`<${Filters} state=${state} />`}
      <div class="inbox-list">
        <ul data-testid="dialog-list" data-state=${state.state} aria-busy=${state.state === "loading"}>
          ${dialogs.map((dialog) => html`<${Entry} key=${dialog.id} dialog=${dialog} user=${user} isOpen=${dialog.id === openId} />`)}
        </ul>
        ${state.state === "loading" && !dialogs.length && html`<p class="quiet inbox-says" role="status">${t("loading")}</p>`}
        ${state.state === "failed" && html`
          <div class="error" role="alert"><p>${t("dialogs.failed")}</p><button type="button" class="button slim" onClick=${reload}>${t("dialogs.again")}</button></div>`}
        ${state.state === "ready" && !dialogs.length && html`
          <p class="quiet inbox-says" data-testid="dialogs-none">${t(staff ? "dialogs.none.match" : "dialogs.none")}</p>`}
        ${state.next && html`<${End} next=${state.next} />`}
      </div>
    </section>`;
}
