// The player: one audio element, a queue, and signals that the views read.
import { batch, computed, effect, signal } from "@preact/signals";
import { audioAddress } from "./api.js";
import { title } from "./format.js";
import { tell } from "./toasts.jsx";

export const queue = signal([]); // tracks
export const place = signal(-1); // index in the queue
export const position = signal(0); // seconds
export const playing = signal(false);
export const current = computed(() => queue.value[place.value] ?? null);
export const volume = signal(Number(localStorage.getItem("volume") ?? 1));

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

export function step(by) {
  const next = place.value + by;
  if (by < 0 && audio.currentTime > 3) seek(0);
  else if (next >= 0 && next < queue.value.length) jump(next);
  else playing.value = false;
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
