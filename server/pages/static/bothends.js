// A list that grows at both ends: what one looks at stays where it is.
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const NEAR_PX = 48;

/**
 * For an element that scrolls and whose children are the entries. `shown` differs whenever they do.
 * At its end the list follows what comes; anywhere else it stands still. `onMoved` is called after
 * each movement, by whatever cause.
 */
export function useBothEnds(shown, onMoved) {
  const box = useRef(null);
  const held = useRef({ atEnd: true });
  const [atEnd, setAtEnd] = useState(true);

  const hold = () => {
    const { children, scrollTop, scrollHeight, clientHeight } = box.current;
    const element = [...children].find((child) => child.offsetTop + child.offsetHeight > scrollTop);
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    held.current = { atEnd: isAtEnd, element, offset: element ? element.offsetTop - scrollTop : 0 };
    setAtEnd(isAtEnd);
    onMoved?.(box.current);
  };
  const toEnd = () => {
    box.current.scrollTop = box.current.scrollHeight;
    hold();
  };

  useLayoutEffect(() => {
    const { atEnd: follows, element, offset } = held.current;
    if (follows) box.current.scrollTop = box.current.scrollHeight;
    else if (element?.isConnected) box.current.scrollTop = element.offsetTop - offset;
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
