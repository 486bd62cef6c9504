import { useEffect, useRef, useState } from "preact/hooks";

/** Loads what `load(signal)` promises again whenever `keys` change: {value, error, loading, again}. */
export function useLoad(load, keys) {
  const [state, setState] = useState({ loading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setState((before) => ({ ...before, loading: true, error: null }));
    load(stop.signal).then(
      (value) => setState({ value, loading: false }),
      (error) => error.name === "AbortError" || setState({ error, loading: false }),
    );
    return () => stop.abort();
  }, [...keys, turn]);
  return { ...state, again: () => setTurn(turn + 1) };
}

/** The value as it was `ms` ago, so that typing does not ask the server at each letter. */
export function useLater(value, ms = 180) {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLater(value), ms);
    return () => clearTimeout(timer);
  }, [value]);
  return later;
}

/** Calls `handle(event)` for keys pressed anywhere but in a field. */
export function useKeys(handle) {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const listen = (event) => {
      const field = event.target.closest?.("input, textarea, select, dialog, [role=slider]");
      if (!field && !event.ctrlKey && !event.metaKey && !event.altKey) latest.current(event);
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}
