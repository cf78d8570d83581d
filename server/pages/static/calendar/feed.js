// The address under which calendar programs read the member's events.
import { useEffect, useRef, useState } from "preact/hooks";
import { client } from "../hub.js";
import { t } from "../i18n.js";
import { Action, Confirm, Dialog, ErrorNote, Field, html, toast } from "../ui.js";
import { feedAddress, newFeedAddress } from "./plans.js";

async function copy(input) {
  input.select();
  // The clipboard's own interface is there on https and localhost only.
  if (navigator.clipboard) await navigator.clipboard.writeText(input.value);
  else document.execCommand("copy");
  toast(t("feed.copied"));
}

export function Feed({ onClose }) {
  const [url, setUrl] = useState(null);
  const [error, setError] = useState(null);
  const [asks, setAsks] = useState(false);
  const input = useRef(null);
  useEffect(() => void client.eventually(feedAddress).then(setUrl, setError), []);
  const renew = async () => {
    setUrl(await newFeedAddress());
    setAsks(false);
    toast(t("feed.renewed"));
  };
  return html`
    <${Dialog} label=${t("feed.title")} kind="small" testid="feed" onClose=${onClose}>
      <h2>${t("feed.title")}</h2>
      <p class="quiet">${t("feed.lead")}</p>
      <${ErrorNote} error=${error} />
      <${Field} label=${t("feed.address")}>
        <input ref=${input} data-testid="feed-url" readonly spellcheck=${false} value=${url ?? ""} placeholder=${t("loading")} onFocus=${(event) => event.target.select()} />
      <//>
      <div class="row">
        <button type="button" class="button primary" data-testid="feed-copy" disabled=${!url} onClick=${() => copy(input.current)}>${t("feed.copy")}</button>
        ${url && html`<a class="button" href=${url.replace(/^https?:/, "webcal:")}>${t("feed.open")}</a>`}
        <${Action} testid="feed-new" onClick=${() => setAsks(true)}>${t("feed.new")}<//>
      </div>
      ${asks && html`
        <${Confirm} title=${t("feed.new.title")} text=${t("feed.new.ask")} yes=${t("feed.new")} kind="danger" testid="feed-new-confirm"
          onYes=${renew} onClose=${() => setAsks(false)} />`}
    <//>`;
}
