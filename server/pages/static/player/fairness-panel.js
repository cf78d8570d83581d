// "Check fairness": the draw's numbers and what this browser makes of them.
import { useEffect, useState } from "preact/hooks";
import { canVerify, verify } from "../fairness.js";
import { t } from "../i18n.js";
import { html } from "../ui.js";
import { drawOf } from "./club.js";

function Step({ ok, children }) {
  const mark = ok === null ? "unknown" : ok ? "ok" : "bad";
  return html`<li class="step ${mark}" data-ok=${mark}>
    ${children}<span class="unseen"> ${ok !== null && t(ok ? "fair.ok" : "fair.bad")}</span>
  </li>`;
}

export function FairnessPanel({ opening, item, commitment }) {
  const [shown, setShown] = useState(false);
  const [result, setResult] = useState(null);
  const [problem, setProblem] = useState(canVerify ? "" : "fair.insecure");

  useEffect(() => {
    if (!shown || !canVerify || result) return;
    drawOf(opening.id)
      .then(({ lines }) => verify({ opening, lines, item, commitment }))
      .then(setResult, () => setProblem("fair.unreachable"));
  }, [shown]);

  const used = commitment && commitment.nonce !== opening.nonce;
  return html`
    <details class="fairness" data-testid="fairness" onToggle=${(event) => setShown(event.target.open)}>
      <summary>${t("fair.show")}</summary>
      <p class="quiet">${problem ? t(problem) : t("fair.lead")}</p>
      ${result && html`
        <ol class="steps" data-testid="fairness-steps" data-verdict=${result.hash && result.commitment !== false && result.roll && result.line ? "ok" : "bad"}>
          <${Step} ok=${result.hash}>${t("fair.hash")}<//>
          <${Step} ok=${result.commitment}>${t(used ? "fair.commitment.used" : commitment ? "fair.commitment" : "fair.commitment.unknown")}<//>
          <${Step} ok=${result.roll}>${t("fair.roll", { roll: opening.roll, total: result.total })}<//>
          <${Step} ok=${result.line}>${t("fair.line", { name: result.drawn?.name })}<//>
        </ol>`}
      <dl class="numbers">
        ${["serverSeedHash", "serverSeed", "clientSeed", "nonce"].map((name) => html`<dt>${t(`fair.${name}`)}</dt><dd><code>${opening[name]}</code></dd>`)}
        <dt>${t("fair.rollName")}</dt><dd><code>${opening.roll}</code></dd>
      </dl>
    </details>`;
}
