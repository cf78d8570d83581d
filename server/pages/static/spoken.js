// What is said in passing to those who listen to the page.
import { useEffect, useState } from "preact/hooks";

const SPOKEN_EVERY_MS = 8000; // a busy evening must not talk over everything else

/** The newest of what is to be said, not each of a burst; `id` tells one from the next. */
export function useSpoken(id, say) {
  const [spoken, setSpoken] = useState("");
  const [next, setNext] = useState(0);
  useEffect(() => {
    if (id === undefined) return;
    const timer = setTimeout(() => {
      setSpoken(say());
      setNext(Date.now() + SPOKEN_EVERY_MS);
    }, Math.max(0, next - Date.now()));
    return () => clearTimeout(timer);
  }, [id]);
  return spoken;
}
