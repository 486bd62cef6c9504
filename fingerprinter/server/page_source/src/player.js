// The player: one audio element, a queue, and signals that the views read.
import { batch, computed, effect, signal } from "@preact/signals";
import { audioAddress, coverAddress, similar } from "./api.js";
import { title } from "./format.js";
import { tell } from "./toasts.jsx";

export const queue = signal([]); // tracks
export const place = signal(-1); // index in the queue
export const position = signal(0); // seconds
export const playing = signal(false);
export const current = computed(() => queue.value[place.value] ?? null);
export const volume = signal(Number(localStorage.getItem("volume") ?? 1));
export const repeating = signal(localStorage.getItem("repeating") === "true"); // the queue starts again at its end
export const endless = signal(localStorage.getItem("endless") === "true"); // at its end come tracks that sound alike

const MORE = 5; // tracks that follow at a time without an end

const audio = new Audio();
audio.preload = "metadata";
let startAt = 0;

audio.addEventListener("timeupdate", () => (position.value = audio.currentTime));
audio.addEventListener("play", () => (playing.value = true));
audio.addEventListener("pause", () => (playing.value = false));
audio.addEventListener("ended", () => step(1));
audio.addEventListener("loadedmetadata", () => {
  if (startAt) audio.currentTime = startAt;
});
audio.addEventListener("error", () => {
  playing.value = false;
  if (current.value) tell(`“${title(current.value)}” cannot be played: its file is missing or cannot be read.`);
});

effect(() => {
  audio.volume = volume.value;
  localStorage.setItem("volume", volume.value);
});
effect(() => localStorage.setItem("repeating", repeating.value));
effect(() => localStorage.setItem("endless", endless.value));

const start = () => audio.play().catch((error) => error.name === "NotAllowedError" && tell("Press play to hear it."));

function load(seconds) {
  const track = current.value;
  if (!track) return;
  startAt = seconds;
  position.value = seconds;
  audio.src = audioAddress(track);
  start();
  if ("mediaSession" in navigator)
    navigator.mediaSession.metadata = new MediaMetadata({
      title: title(track),
      artist: track.artist ?? "",
      album: track.album ?? "",
      artwork: track.cover ? [{ src: coverAddress(track) }] : [],
    });
}

/** Plays a track from a second on. `others` becomes the queue, if it is given. */
export function play(track, seconds = 0, others = null) {
  batch(() => {
    queue.value = others ?? [track];
    place.value = Math.max(0, queue.value.findIndex((other) => other.id === track.id));
  });
  load(Math.max(0, seconds));
}

/** Puts tracks behind those that wait, and starts if nothing plays. */
export function enqueue(tracks) {
  queue.value = [...queue.value, ...tracks];
  tell(tracks.length === 1 ? `“${title(tracks[0])}” plays later.` : `${tracks.length} tracks play later.`);
  if (place.value < 0) step(1);
}

export function toggle() {
  if (!current.value) return;
  if (audio.paused) start();
  else audio.pause();
}

export function seek(seconds) {
  if (!current.value) return;
  const end = audio.duration || current.value.duration_s || 0;
  audio.currentTime = Math.max(0, Math.min(end, seconds));
  position.value = audio.currentTime;
}

export async function step(by) {
  if (by < 0 && audio.currentTime > 3) return seek(0);
  if (place.value + by >= queue.value.length) await prolong();
  const next = place.value + by;
  if (next >= 0 && next < queue.value.length) jump(next);
  else if (by > 0 && repeating.value && queue.value.length) jump(0);
  else if (audio.ended) playing.value = false;
}

/** Lets tracks follow that sound like the last one and are not in the queue yet. */
async function prolong() {
  const last = queue.value.at(-1);
  if (!endless.value || repeating.value || !last) return;
  const known = new Set(queue.value.map(({ id }) => id));
  const found = await similar(last.id).catch(() => []);
  if (queue.value.at(-1) !== last) return; // someone chose other music in the meantime
  queue.value = [...queue.value, ...found.map(({ track }) => track).filter(({ id }) => !known.has(id)).slice(0, MORE)];
}

/** Brings what follows into an order of chance. */
export function shuffle() {
  const [before, after] = [queue.value.slice(0, place.value + 1), queue.value.slice(place.value + 1)];
  queue.value = [...before, ...shuffled(after)];
  tell(after.length > 1 ? `${after.length} tracks are shuffled.` : "Nothing waits in the queue.");
}

/** A copy in an order of chance, by Fisher and Yates. */
export function shuffled(tracks) {
  const list = [...tracks];
  for (let k = list.length - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1));
    [list[k], list[other]] = [list[other], list[k]];
  }
  return list;
}

export function jump(index) {
  place.value = index;
  load(0);
}

export function drop(index) {
  if (index === place.value) return;
  batch(() => {
    queue.value = queue.value.filter((_, k) => k !== index);
    if (index < place.value) place.value -= 1;
  });
}

if ("mediaSession" in navigator) {
  navigator.mediaSession.setActionHandler("play", toggle);
  navigator.mediaSession.setActionHandler("pause", toggle);
  navigator.mediaSession.setActionHandler("previoustrack", () => step(-1));
  navigator.mediaSession.setActionHandler("nexttrack", () => step(1));
}
