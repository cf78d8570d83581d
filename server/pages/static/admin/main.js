// The admin's page: cases, balances, prizes, who is online.
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { client, session } from "../hub.js";
import { language, t } from "../i18n.js";
import { SignIn } from "../signin.js";
import { useStore } from "../store.js";
import { TopBar, WaitBanner } from "../topbar.js";
import { html, Toasts } from "../ui.js";
import { Cases } from "./cases.js";
import { desk } from "./desk.js";
import { Members } from "./members.js";
import { Online } from "./online.js";
import { Prizes } from "./prizes.js";

function Desk({ user }) {
  const { cases, users, query, connections } = useStore(desk);
  const admin = user.role === "admin";
  if (!admin && user.role !== "staff") {
    return html`
      <section class="denied" data-testid="admin-denied">
        <h1>${t("sign.admin")}</h1>
        <p class="note">${t("denied.member", { name: user.username })}</p>
        <p><a class="button" href="/">${t("player.page")}</a></p>
      </section>`;
  }
  return html`
    ${!admin && html`<p class="note wide" data-testid="admin-denied">${t("denied.staff")}</p>`}
    ${admin && html`<${Cases} cases=${cases} />`}
    ${admin && html`<${Members} users=${users} query=${query} />`}
    <${Prizes} />
    <${Online} connections=${connections} />`;
}

function Page() {
  useStore(language);
  const { user } = useStore(session);
  useEffect(() => {
    document.title = t("title.admin");
  });
  return html`
    <${TopBar} page="admin" />
    <${WaitBanner} />
    <main id="content" class="desk" tabindex="-1">
      ${user ? html`<${Desk} user=${user} />` : html`<${SignIn} closed title=${t("sign.admin")} lead=${t("sign.admin.lead")} />`}
    </main>
    <${Toasts} />`;
}

render(html`<${Page} />`, document.getElementById("app"));
client.start();
