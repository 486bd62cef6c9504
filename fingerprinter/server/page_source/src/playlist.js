// The playlist that Discover builds. It stays in the browser until it is cleared.
import { effect, signal } from "@preact/signals";
import { title } from "./format.js";
import { tell } from "./toasts.jsx";

export const playlist = signal(JSON.parse(localStorage.getItem("playlist") ?? "[]"));
effect(() => localStorage.setItem("playlist", JSON.stringify(playlist.value)));

/** Adds the tracks that are not in the playlist yet. */
export function offer(tracks) {
  const there = new Set(playlist.value.map(({ id }) => id));
  const fresh = tracks.filter(({ id }) => !there.has(id));
  playlist.value = [...playlist.value, ...fresh];
  if (fresh.length === 1) tell(`“${title(fresh[0])}” is in the playlist.`);
  else tell(fresh.length ? `${fresh.length} tracks are in the playlist.` : "That is in the playlist already.");
}

/** Moves the track at one place to another. */
export function move(from, to) {
  const list = [...playlist.value];
  list.splice(to > from ? to - 1 : to, 0, ...list.splice(from, 1));
  playlist.value = list;
}

export const remove = (place) => (playlist.value = playlist.value.filter((_, k) => k !== place));
