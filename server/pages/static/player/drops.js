// The strip of live drops under the top bar.
import { useEffect, useState } from "preact/hooks";
import { ago } from "../format.js";
import { t } from "../i18n.js";
import { useSpoken } from "../spoken.js";
import { html, Picture } from "../ui.js";

const nameOf = (what) => what?.name ?? what ?? "";

export function DropStrip({ drops }) {
  const [drop] = drops;
  const spoken = useSpoken(drop?.id, () => t("drop.says", { user: nameOf(drop.user), item: nameOf(drop.item) }));
  // "3 min ago" grows old by itself.
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => redraw((n) => n + 1), 30_000);
    return () => clearInterval(timer);
  }, []);
  return html`
    <section class="drops" aria-label=${t("drops")}>
      <h2 class="drops-word">${t("drops")}</h2>
      ${drops.length === 0 && html`<p class="quiet">${t("drops.none")}</p>`}
      <ul class="drops-list" tabindex="0" aria-label=${t("drops")}>
        ${drops.map((drop) => html`
          <li key=${drop.id} class="drop r-${drop.item?.rarity}" data-testid="drop" data-drop-id=${drop.id}>
            <${Picture} src=${drop.item?.image} size=${34} />
            <span><b>${nameOf(drop.item)}</b><small>${nameOf(drop.user)} · ${ago(drop.at)}</small></span>
          </li>`)}
      </ul>
      <span class="unseen" aria-live="polite">${spoken}</span>
    </section>`;
}
