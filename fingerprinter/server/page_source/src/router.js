// The address behind "#" names the view: "#/track/12?from=3". It works below any path of a proxy.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);

/** {view: "track", rest: ["12"], query: URLSearchParams} */
export const route = computed(() => {
  const [path, query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map(decoded);
  return { view: view || "identify", rest, query: new URLSearchParams(query) };
});

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray "%" that someone typed
  }
}

export const go = (address) => (location.hash = address);

/** Changes the address without a step in the browser's history. */
export function replace(address) {
  history.replaceState(history.state, "", address);
  hash.value = location.hash;
}

// Each step of the history has a number, under which its scroll position is kept for the way back.
const WAIT_MS = 1500; // for a view to become as tall as it was
const tops = new Map();
let [step, wanted, moving] = [0, 0, false];
history.scrollRestoration = "manual";
history.replaceState({ step }, "");
addEventListener("scroll", () => moving || tops.set(step, scrollY), { passive: true });
addEventListener("hashchange", () => {
  const known = history.state?.step;
  step = known ?? Math.max(step, ...tops.keys()) + 1;
  wanted = known == null ? 0 : (tops.get(step) ?? 0);
  moving = true; // the browser scrolls by itself where the next view is shorter
  if (known == null) history.replaceState({ step }, "");
  hash.value = location.hash;
});

/** Whether the page was scrolled at this step of the history, and so is on its way back. */
export const returning = () => wanted > 0;

/** Scrolls to where the page was at this step of the history, or to its top if the step is new. */
export function scrollBack() {
  const [mine, end] = [step, performance.now() + WAIT_MS];
  const attempt = () => {
    if (step !== mine) return;
    scrollTo(0, wanted);
    moving = Math.abs(scrollY - wanted) > 1 && performance.now() < end;
    if (moving) requestAnimationFrame(attempt);
  };
  attempt();
}

export const link = {
  track: (track) => `#/track/${track.id}`,
  album: ({ album, artist }) => `#/library/album?${query({ album, artist })}`,
  artist: (name) => `#/library/artist?${query({ name })}`,
};

/** A query string of the values that are there. */
export function query(values) {
  const kept = Object.entries(values).filter(([, value]) => value != null && value !== "" && value !== false);
  return new URLSearchParams(kept.flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]))).toString();
}
