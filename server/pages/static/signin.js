// The form for those who are not signed in.
import { useState } from "preact/hooks";
import { client, session } from "./hub.js";
import { t } from "./i18n.js";
import { useStore } from "./store.js";
import { Action, ErrorNote, Field, html } from "./ui.js";

/** `lead`: what to say beside it. `closed`: no registration here. */
export function SignIn({ title, lead, closed }) {
  const { ended } = useStore(session);
  const [error, setError] = useState(null);
  const [form, setForm] = useState(null);
  const enter = async (how) => {
    if (!form.reportValidity()) return;
    const { username, password } = Object.fromEntries(new FormData(form));
    setError(null);
    try {
      await how.call(client, username.trim(), password);
    } catch (problem) {
      setError(problem.code === "validation_failed" ? new Error(t("sign.rules")) : problem);
    }
  };
  return html`
    <section class="signin">
      <div class="signin-words">
        <h1>${title}</h1>
        <p>${lead}</p>
      </div>
      <form ref=${setForm} class="signin-form" onSubmit=${(event) => event.preventDefault()}>
        ${ended && html`<p class="note">${t("sign.ended")}</p>`}
        <${Field} label=${t("sign.username")}>
          <input name="username" data-testid="username" autocomplete="username" autocapitalize="none" spellcheck=${false} required maxlength="64" />
        <//>
        <${Field} label=${t("sign.password")}>
          <input name="password" data-testid="password" type="password" autocomplete="current-password" required maxlength="256" />
        <//>
        <${ErrorNote} error=${error} />
        <div class="row">
          <${Action} kind="primary" type="submit" testid="sign-in" explain onClick=${() => enter(client.signIn)}>${t("sign.in")}<//>
          ${!closed && html`<${Action} testid="register" onClick=${() => enter(client.register)}>${t("sign.register")}<//>`}
        </div>
        ${!closed && !error && html`<p class="quiet small">${t("sign.rules")}</p>`}
      </form>
    </section>`;
}
