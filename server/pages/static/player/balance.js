// The balance in the top bar. It counts to its new value, so that a change is seen.
import { useEffect, useRef, useState } from "preact/hooks";
import { money } from "../format.js";
import { t } from "../i18n.js";
import { Action, html } from "../ui.js";

const COUNT_MS = 600;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function useCounting(target) {
  const [shown, setShown] = useState(target);
  const from = useRef(target);
  useEffect(() => {
    const start = from.current ?? target;
    const done = () => setShown((from.current = target));
    if (start === target || calm.matches || document.hidden) return done();
    const began = performance.now();
    let frame = requestAnimationFrame(function step(now) {
      const part = Math.min(1, (now - began) / COUNT_MS);
      if (part === 1) return done();
      from.current = start + (target - start) * (1 - (1 - part) ** 3);
      setShown(Math.round(from.current * 100) / 100);
      frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [target]);
  return shown;
}

export function Balance({ amount, onTopUp }) {
  const shown = useCounting(amount);
  const before = useRef(amount);
  const [turn, setTurn] = useState("");
  useEffect(() => {
    if (amount === undefined || before.current === amount) return;
    if (before.current !== undefined) setTurn(amount > before.current ? "up" : "down");
    before.current = amount;
    const timer = setTimeout(() => setTurn(""), 1200);
    return () => clearTimeout(timer);
  }, [amount]);
  if (amount === undefined) return html`<div class="balance"><span class="balance-amount" data-testid="balance">…</span></div>`;
  return html`
    <div class="balance ${turn}">
      <span class="balance-name" aria-hidden="true">${t("balance")}</span>
      <span class="balance-amount" data-testid="balance" data-value=${amount} aria-hidden="true">${money(shown ?? amount)}</span>
      <span class="unseen" aria-live="polite">${t("balance.is", { amount: money(amount) })}</span>
      <${Action} kind="slim plus" testid="topup" title=${t("topup")} aria-label=${t("topup")} onClick=${onTopUp}>+<//>
    </div>`;
}
