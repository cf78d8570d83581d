// The reel: prizes pass by and stop at the one the draw has already given.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n.js";
import { html, Picture } from "../ui.js";

const TILES = 38;
const STOP_AT = 33; // far enough for speed, with tiles to the right of the stop
const SPIN_MS = 2700;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Passing tiles are shown as often as they are won, so the reel tells no lies about the odds. */
function passing(items) {
  let at = Math.random();
  return items.find((item) => (at -= item.chance) < 0) ?? items[0];
}

export function Reel({ items, item, onDone }) {
  const strip = useRef(null);
  const spin = useRef(null);
  const [tiles] = useState(() => Array.from({ length: TILES }, (_, n) => (n === STOP_AT ? item : passing(items))));

  useEffect(() => {
    if (calm.matches) return onDone();
    const stop = strip.current.children[STOP_AT];
    // Not always in the middle of the tile: a real drum never stops that neatly.
    const within = (Math.random() - 0.5) * 0.6 * stop.offsetWidth;
    const way = stop.offsetLeft + stop.offsetWidth / 2 + within - strip.current.parentElement.clientWidth / 2;
    const animation = strip.current.animate(
      [{ transform: "translateX(0)" }, { transform: `translateX(${-way}px)` }],
      { duration: SPIN_MS, easing: "cubic-bezier(.1,.7,.1,1)", fill: "forwards" },
    );
    spin.current = animation;
    // A hidden tab runs no animations to their end; the timer does.
    const timer = setTimeout(onDone, SPIN_MS + 250);
    return () => {
      clearTimeout(timer);
      animation.cancel();
    };
  }, []);

  return html`
    <div class="reel" data-testid="reel">
      <div class="reel-window" aria-hidden="true">
        <div class="reel-strip" ref=${strip}>
          ${tiles.map((tile, n) => html`<div key=${n} class="reel-tile r-${tile.rarity}"><${Picture} src=${tile.image} size=${96} /><span>${tile.name}</span></div>`)}
        </div>
        <div class="reel-mark"></div>
      </div>
      <button type="button" class="button" data-testid="reveal-skip" autofocus onClick=${onDone}>${t("open.skip")}</button>
    </div>`;
}
