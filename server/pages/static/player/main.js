// The player's page.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Chat, ChatTab } from "../chat/chat.js";
import { client, session } from "../hub.js";
import { language, t } from "../i18n.js";
import { SignIn } from "../signin.js";
import { useStore } from "../store.js";
import { TopBar, WaitBanner } from "../topbar.js";
import { complain, html, Toasts } from "../ui.js";
import { Balance } from "./balance.js";
import { CaseGrid } from "./cases.js";
import { club } from "./club.js";
import { DropStrip } from "./drops.js";
import { History } from "./history.js";
import { Inventory } from "./inventory.js";
import { CaseDialog } from "./opening.js";
import { TopUp } from "./topup.js";

/** The value as it was when `holding` began: the reel, not the list behind it, tells the result. */
function useHeld(value, holding) {
  const held = useRef(value);
  if (!holding) held.current = value;
  return held.current;
}

function Page() {
  useStore(language);
  const state = useStore(club);
  const { user } = useStore(session);
  const [caseId, setCaseId] = useState(null);
  const [toppingUp, setToppingUp] = useState(null);
  const [spinning, setSpinning] = useState(false);
  const [chatting, setChatting] = useState(false);
  const tab = useRef(null);
  const drops = useHeld(state.drops, spinning);
  const inventory = useHeld(state.me?.inventory, spinning);

  useEffect(() => {
    document.title = t("title.player");
  });

  const closeChat = () => {
    setChatting(false);
    tab.current.querySelector("button").focus();
  };

  return html`
    <${TopBar} page="club" quiet=${spinning}>
      ${user && html`<${Balance} amount=${state.me?.balance} onTopUp=${() => setToppingUp({ missing: 0 })} />`}
    <//>
    <${DropStrip} drops=${drops} />
    <nav class="tabs" aria-label=${t("tabs")} ref=${tab}>
      <a href="#cases">${t("cases")}</a>
      ${user && html`<a href="#inventory">${t("inventory")}</a><a href="#history">${t("history")}</a>`}
      <${ChatTab} isOpen=${chatting} onOpen=${() => setChatting(true)} />
    </nav>
    <${WaitBanner} />
    <main id="content" class=${user ? "floor" : "floor guest"} tabindex="-1">
      ${!user && html`<${SignIn} title=${t("sign.title")} lead=${t("sign.lead")} />`}
      <${CaseGrid} cases=${state.cases} onLook=${setCaseId} />
      <div class="side">
        <${Chat} isOpen=${chatting} onClose=${closeChat} />
        ${user && html`<${Inventory} items=${inventory} waiting=${state.waiting} />`}
      </div>
      ${user && html`<${History} moves=${state.moves} held=${spinning} />`}
    </main>
    ${caseId !== null && html`
      <${CaseDialog} key=${caseId} caseId=${caseId} onClose=${() => setCaseId(null)} onSpin=${setSpinning}
        onTopUp=${(missing) => setToppingUp({ missing })} />`}
    ${toppingUp && html`<${TopUp} missing=${toppingUp.missing} onClose=${() => setToppingUp(null)} />`}
    <${Toasts} />`;
}

render(html`<${Page} />`, document.getElementById("app"));
// A tab that was closed meanwhile cannot say what became of what it queued.
client.on("queue", ({ error }) => error && complain(error));
client.start();
