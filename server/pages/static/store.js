// A store is one object that is replaced, never changed in place; components
// that use it draw again when it is.
import { useEffect, useState } from "preact/hooks";

export function createStore(initial) {
  let state = initial;
  const listeners = new Set();
  return {
    get: () => state,
    set(change) {
      state = { ...state, ...(typeof change === "function" ? change(state) : change) };
      for (const listener of listeners) listener(state);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useStore(store) {
  const [state, setState] = useState(store.get);
  useEffect(() => {
    // What changed between the first drawing and this effect would be missed.
    setState(store.get());
    return store.subscribe(setState);
  }, [store]);
  return state;
}

/**
 * Runs `load` once at a time. A call, or `touch()`, while it runs makes it run
 * again, since the answer under way may be older than what asked for it.
 */
export function coalesced(load) {
  let running = null;
  let again = false;
  const run = () => {
    again = true;
    running ??= (async () => {
      try {
        while (again) {
          again = false;
          await load(() => again);
        }
      } finally {
        running = null;
      }
    })();
    return running;
  };
  run.touch = () => {
    if (running) again = true;
  };
  return run;
}

/** What the browser keeps over a reload. A full or forbidden storage is no reason to fail. */
export const kept = {
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(`cyberhub.${name}`));
    } catch {
      return null;
    }
  },
  write(name, value) {
    try {
      if (value === null) localStorage.removeItem(`cyberhub.${name}`);
      else localStorage.setItem(`cyberhub.${name}`, JSON.stringify(value));
    } catch {
      // Private windows may refuse: the page then lives without memory.
    }
  },
};
