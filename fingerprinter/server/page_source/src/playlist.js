// The playlist that Discover builds. It stays in the browser until it is cleared.
import { effect, signal } from "@preact/signals";

export const playlist = signal(JSON.parse(localStorage.getItem("playlist") ?? "[]"));
effect(() => localStorage.setItem("playlist", JSON.stringify(playlist.value)));

/** Adds the tracks that are not in the playlist yet. */
export function offer(tracks) {
  const there = new Set(playlist.value.map(({ id }) => id));
  playlist.value = [...playlist.value, ...tracks.filter(({ id }) => !there.has(id))];
}

/** Moves the track at one place to another. */
export function move(from, to) {
  const list = [...playlist.value];
  list.splice(to > from ? to - 1 : to, 0, ...list.splice(from, 1));
  playlist.value = list;
}

export const remove = (place) => (playlist.value = playlist.value.filter((_, k) => k !== place));
