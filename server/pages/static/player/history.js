// Every movement of the balance, newest first.
import { useEffect, useState } from "preact/hooks";
import { moment, money } from "../format.js";
import { client } from "../hub.js";
import { t } from "../i18n.js";
import { Action, complain, html } from "../ui.js";
import { transactions } from "./club.js";

export function History({ moves, held }) {
  const [list, setList] = useState(null);
  const [next, setNext] = useState(null);

  useEffect(() => {
    // While the reel turns, the newest line would tell its result.
    if (held) return;
    let left = false;
    client.eventually(transactions).then(
      (page) => left || (setList(page.transactions), setNext(page.next)),
      () => {},
    );
    return () => (left = true);
  }, [moves, held]);

  const more = async () => {
    try {
      const page = await transactions(next);
      setList([...list, ...page.transactions]);
      setNext(page.next);
    } catch (error) {
      complain(error);
    }
  };

  return html`
    <section id="history" class="history" aria-labelledby="history-title">
      <h2 id="history-title">${t("history")}</h2>
      ${list?.length === 0 && html`<p class="quiet">${t("history.none")}</p>`}
      ${list?.length > 0 && html`
        <ul class="moves">
          ${list.map((move) => html`
            <li key=${move.id} class="move ${move.amount < 0 ? "minus" : "plus"}" data-testid="transaction" data-kind=${move.kind}>
              <span>${t(`kind.${move.kind}`)}</span>
              <time class="quiet" datetime=${move.at}>${moment(move.at)}</time>
              <b>${money(move.amount, { signed: true })}</b>
            </li>`)}
        </ul>`}
      ${next && html`<${Action} kind="slim" onClick=${more}>${t("more")}<//>`}
    </section>`;
}
