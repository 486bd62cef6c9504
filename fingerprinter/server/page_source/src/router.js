// The address behind "#" names the view: "#/track/12?from=3". It works below any path of a proxy.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

/** {view: "track", rest: ["12"], query: URLSearchParams} */
export const route = computed(() => {
  const [path, query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map(decodeURIComponent);
  return { view: view || "identify", rest, query: new URLSearchParams(query) };
});

export const go = (address) => (location.hash = address);

/** Changes the address without a step in the browser's history. */
export function replace(address) {
  history.replaceState(null, "", address);
  hash.value = location.hash;
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
