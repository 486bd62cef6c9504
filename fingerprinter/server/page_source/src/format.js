// Text for people: durations, percentages, numbers and names.

/** "3:05", "1:02:07"; "–" for what is not known. */
export function time(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return "–";
  const sign = seconds < 0 ? "−" : "";
  const whole = Math.floor(Math.abs(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(rest).padStart(2, "0")}`;
  return hours ? `${sign}${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${sign}${minutes}:${tail}`;
}

/** "4 h 12 min" for long durations, "12 min 5 s" for short ones. */
export function duration(seconds) {
  if (seconds == null) return "–";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${count(hours)} h ${minutes} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
}

export const count = (number) => new Intl.NumberFormat("en").format(number);
export const compact = (number) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(number);
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
export const percent = (share) => `${Math.floor(100 * share)} %`;

/** "4.0 % faster", "2.0 % lower"; empty if the clip has the recording's own speed and pitch. */
export function change({ tempo, pitch }) {
  const words = [];
  const name = (factor, up, down) => {
    const size = Math.abs(factor - 1) * 100;
    if (size >= 0.5) words.push(`${size.toFixed(size < 10 ? 1 : 0)} % ${factor > 1 ? up : down}`);
  };
  name(tempo, "faster", "slower");
  name(pitch, "higher", "lower");
  return words.join(", ");
}

const SAME_TEMPO = 0.03; // the ends of a passage are known to half a second

/** "3 semitones higher, 20 % faster": how a version differs from the track. */
export function variation({ semitones, tempo }) {
  const shift = `${counted(Math.abs(semitones), "semitone")} ${semitones > 0 ? "higher" : "lower"}`;
  const size = Math.abs(tempo - 1);
  const pace = size < SAME_TEMPO ? "same tempo" : `${Math.round(100 * size)} % ${tempo > 1 ? "faster" : "slower"}`;
  return `${semitones ? shift : "same key"}, ${pace}`;
}

/** The name to show for a track: its title, or its file's name. */
export const title = (track) =>
  track.title || (track.path ? track.path.split(/[\\/]/).pop().replace(/\.[^.]+$/, "") : `Track ${track.id}`);

/** "today 14:05", "3 Feb 2026". */
export function date(text) {
  if (!text) return "–";
  const when = new Date(text);
  const today = when.toDateString() === new Date().toDateString();
  return today
    ? `today ${when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`
    : when.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
}

/** "14:05:09" today, with the day before it otherwise. */
export function clock(text) {
  const when = new Date(text);
  const day = when.toDateString() === new Date().toDateString() ? {} : { day: "numeric", month: "short" };
  return when.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
