// All that the page asks the server, and the shapes of its answers.
import { signal } from "@preact/signals";
import { query } from "./router.js";

export const signedOut = signal(false);

/** An answer of the server that is an error; `code` names its kind. */
class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// What messages of the server name as a command, and what the page offers instead.
const OFFERS = [
  [/`fingerprinter list` shows/, "the library view shows"],
  [/run `fingerprinter index[^`]*`( without --no-embeddings)?/, "start the job Index in the jobs view"],
  [/run `fingerprinter analyze[^`]*`/, "start the job Analyse in the jobs view"],
  [/run `fingerprinter verify[^`]*`/, "whoever runs this service can check the library"],
  [/`?GET \/api\/jobs`? lists/, "the jobs view lists"],
];
const onPage = (message) => OFFERS.reduce((text, [command, offer]) => text.replace(command, offer), message);

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("unreachable", "The server does not answer. Is “fingerprinter serve” still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) signedOut.value = true;
  const body = await response.json().catch(() => null);
  throw new Refused(body?.error?.code, body?.error ? onPage(body.error.message) : `The server answered with ${response.status}.`);
}

const get = async (path, values = {}, stop = undefined) =>
  (await send(`${path}?${query(values)}`, { signal: stop })).json();

const post = async (path, body, stop = undefined) =>
  (
    await send(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: stop,
    })
  ).json();

export const signIn = async (token) => {
  await send("api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  signedOut.value = false;
};

// Tracks, albums, artists
export const tracks = (asked, stop) => get("api/tracks", asked, stop);
export const albums = (asked, stop) => get("api/albums", asked, stop);
export const artists = (asked, stop) => get("api/artists", asked, stop);
export const stats = (stop) => get("api/stats", {}, stop);
export const track = (id, stop) => get(`api/tracks/${id}`, {}, stop); // {track, files, tempo_bpm, key}
export const analysis = (id, stop) => get(`api/tracks/${id}/analysis`, {}, stop);
export const waveform = async ({ id }, stop) => (await get(`api/tracks/${id}/waveform`, {}, stop)).peaks;
export const findTracks = async (words, stop) => (await tracks({ query: words, limit: 12 }, stop)).tracks;

export const audioAddress = ({ id }) => `api/tracks/${id}/audio`;
export const coverAddress = ({ id }) => `api/tracks/${id}/cover`;
export const spectrogramAddress = ({ id }) => `api/tracks/${id}/spectrogram.png`;

// Music that is alike
export const similar = async (id, stop) => (await get(`api/tracks/${id}/similar`, { n: 12, why: true }, stop)).results;
export const versions = async (id, stop) => (await get(`api/tracks/${id}/versions`, {}, stop)).results;
export const search = (words, stop) => get("api/search", { query: words, n: 30 }, stop); // {results, notes}
export const pathBetween = async (from, to, n, stop) => (await get("api/path", { from, to, n }, stop)).results;
export const recommend = async (like, dislike, stop) =>
  (await post("api/recommend", { like, dislike, n: 20 }, stop)).results;
export const clusters = async (stop) => (await get("api/clusters", {}, stop)).clusters; // {id, name, tags, size, tracks}
export const map = (stop) => get("api/map", {}, stop);
export const duplicates = (stop) => get("api/duplicates", {}, stop);

// Sound that is sent
const sound = (path, clip, values) => send(`${path}?${query(values)}`, { method: "POST", body: clip });
export const identify = async (clip, name) => (await sound("api/identify", clip, { name })).json();
/** Every recording in a long clip, in its order. */
export const identifyAll = async (clip, name) => (await sound("api/identify", clip, { name, all: true })).json();
export const nearest = async (clip) => (await (await sound("api/similar", clip, { n: 6 })).json()).results;
export const versionsOfClip = async (clip) => (await (await sound("api/versions", clip, { n: 3 })).json()).results;
export const explanationAddress = async (clip) =>
  URL.createObjectURL(await (await sound("api/identify/explain", clip, {})).blob());

/** The playlist as a file of the M3U8 format. */
export const playlistFile = async (list) =>
  (
    await send("api/playlist.m3u8", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ tracks: list.map(({ id }) => id) }),
    })
  ).blob();

// Jobs
export const jobs = async () => (await get("api/jobs")).jobs;
export const startJob = (kind, options = {}) => post("api/jobs", { kind, ...options });
export const cancelJob = async ({ id }) => (await send(`api/jobs/${id}`, { method: "DELETE" })).json();

/** Calls `onChange(job)` at each change of a job, until the returned function is called. */
export function followJob(id, onChange) {
  const events = new EventSource(`api/jobs/${id}/events`);
  events.addEventListener("job", ({ data }) => {
    const job = JSON.parse(data);
    onChange(job);
    if (["done", "failed", "cancelled"].includes(job.state)) events.close();
  });
  return () => events.close();
}

// Monitors: streams that the server listens to
export const monitors = async (stop) => (await get("api/monitors", {}, stop)).monitors;
export const addMonitor = (source, name) => post("api/monitors", { source, name: name || null });
export const removeMonitor = (id) => send(`api/monitors/${id}`, { method: "DELETE" });
export const monitorLog = async (id) => (await get(`api/monitors/${id}/log`, { limit: 100 })).events;

/** Calls `onChange(monitor)` at each change of a monitor, until the returned function is called. */
export function followMonitor(id, onChange) {
  const events = new EventSource(`api/monitors/${id}/events`);
  events.addEventListener("monitor", ({ data }) => onChange(JSON.parse(data)));
  return () => events.close();
}
