// A list that grows at both ends: what one looks at stays where it is.
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const NEAR_PX = 48;

// What comes in above an entry may change how it begins: its end is what stays.
const bottomOf = (element) => element.offsetTop + element.offsetHeight;

/**
 * For an element that scrolls. Its children with a `data-entry` stay as long as they are shown;
 * what stands between them may go. `shown` differs whenever something comes or goes.
 * At its end the list follows what comes; anywhere else it stands still. `onMoved` is called after
 * each movement, by whatever cause.
 */
export function useBothEnds(shown, onMoved) {
  const box = useRef(null);
  const held = useRef({ atEnd: true, scrollTop: 0 });
  const [atEnd, setAtEnd] = useState(true);

  const hold = () => {
    const { children, scrollTop, scrollHeight, clientHeight } = box.current;
    const element = [...children].find((child) => "entry" in child.dataset && bottomOf(child) > scrollTop);
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    held.current = { atEnd: isAtEnd, scrollTop, element, bottom: element && bottomOf(element) };
    setAtEnd(isAtEnd);
    onMoved?.(box.current);
  };
  const toEnd = () => {
    box.current.scrollTop = box.current.scrollHeight;
    hold();
  };

  useLayoutEffect(() => {
    const { atEnd: wasAtEnd, scrollTop, element, bottom } = held.current;
    // Somebody may have scrolled since, and the browser tells it with the next frame only.
    const follows = wasAtEnd && box.current.scrollTop >= scrollTop;
    if (follows) box.current.scrollTop = box.current.scrollHeight;
    else if (element?.isConnected) box.current.scrollTop += bottomOf(element) - bottom;
    hold();
  }, [shown]);

  useLayoutEffect(() => {
    // The keyboard of a phone, or a longer text below, takes room away.
    const watch = new ResizeObserver(() => held.current.atEnd && toEnd());
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  const goTo = (element) => {
    box.current.scrollTop = element.offsetTop - NEAR_PX;
    hold();
  };
  return { box, atEnd, toEnd, goTo, onScroll: hold };
}
