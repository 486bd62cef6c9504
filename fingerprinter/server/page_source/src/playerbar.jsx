// The bar at the foot of the page: what plays, its waveform, the queue; and a sheet with all of it for phones.
import { useEffect, useRef, useState } from "preact/hooks";
import { waveform } from "./api.js";
import { counted, time, title } from "./format.js";
import { Icon } from "./icons.jsx";
import { Cover, Sheet, tones } from "./parts.jsx";
import {
  current,
  drop,
  endless,
  jump,
  place,
  play,
  playing,
  position,
  queue,
  repeating,
  seek,
  shuffle,
  step,
  toggle,
  volume,
} from "./player.js";
import { link } from "./router.js";
import { Waveform } from "./waveform.jsx";

/** The waveform of a track; a flat line until it is known. */
export function useWaveform(track) {
  const [points, setPoints] = useState([]);
  useEffect(() => {
    setPoints([]);
    if (!track) return undefined;
    const stop = new AbortController();
    waveform(track, stop.signal).then(setPoints, () => {});
    return () => stop.abort();
  }, [track?.id]);
  return points;
}

const Toggle = ({ state, icon, label }) => (
  <button
    class={`button quiet round ${state.value ? "on" : ""}`}
    aria-pressed={state.value}
    onClick={() => (state.value = !state.value)}
    aria-label={label}
    title={label}
  >
    <Icon name={icon} size={18} />
  </button>
);

/** Shuffle, repeat, and music without an end. */
const Ways = () => (
  <div class="row ways">
    <button class="button quiet round" onClick={shuffle} aria-label="Shuffle the queue" title="Shuffle the queue">
      <Icon name="shuffle" size={18} />
    </button>
    <Toggle state={repeating} icon="repeat" label="Repeat the queue" />
    <Toggle state={endless} icon="endless" label="At the end, go on with tracks that sound alike" />
  </div>
);

function Entries() {
  const list = useRef();
  useEffect(() => list.current.querySelector(".now")?.scrollIntoView({ block: "nearest" }), []);
  return (
    <ol class="plain" ref={list}>
      {queue.value.map((track, k) => (
        <li key={`${k}-${track.id}`} class={`queue-row ${k === place.value ? "now" : ""}`}>
          <button class="pick" onClick={() => jump(k)} aria-current={k === place.value ? "true" : undefined}>
            <Cover track={track} />
            <span class="lines grow">
              <span class="ellipsis">{title(track)}</span>
              <span class="ellipsis dim small">{track.artist ?? "Unknown artist"}</span>
            </span>
          </button>
          <button
            class="button quiet round"
            disabled={k === place.value}
            onClick={() => drop(k)}
            aria-label={`Remove ${title(track)} from the queue`}
          >
            <Icon name="close" size={16} />
          </button>
        </li>
      ))}
    </ol>
  );
}

const Queue = ({ onClose }) => (
  <section class="queue" aria-label="Queue">
    <div class="row spread queue-head">
      <h2>Queue</h2>
      <div class="row" style={{ gap: 0 }}>
        <Ways />
        <button class="button quiet round" onClick={onClose} aria-label="Close the queue">
          <Icon name="close" size={18} />
        </button>
      </div>
    </div>
    <Entries />
  </section>
);

const Transport = () => (
  <div class="transport">
    <button class="button quiet round previous" onClick={() => step(-1)} aria-label="Previous">
      <Icon name="previous" size={18} />
    </button>
    <button class="button primary round main" onClick={toggle} aria-label={playing.value ? "Pause" : "Play"}>
      <Icon name={playing.value ? "pause" : "play"} size={20} />
    </button>
    <button class="button quiet round" onClick={() => step(1)} aria-label="Next">
      <Icon name="next" size={18} />
    </button>
  </div>
);

const Names = ({ track, onGo }) => (
  <div class="grow lines">
    <a class="ellipsis strong" href={link.track(track)} onClick={onGo}>
      {title(track)}
    </a>
    <div class="ellipsis small dim">
      {track.artist ? (
        <a href={link.artist(track.artist)} onClick={onGo}>
          {track.artist}
        </a>
      ) : (
        "Unknown artist"
      )}
    </div>
  </div>
);

// What follows the position stands in parts of its own, so that four times a second only these are drawn again.
const Clock = () => <>{time(position.value)}</>;
const Line = ({ track }) => <i style={{ width: `${(100 * position.value) / (track.duration_s || 1)}%` }} />;

/** The waveform of a track in which one seeks; a track that does not play starts at the chosen second. */
export function Scrubber({ track, points, sections = [] }) {
  const plays = current.value?.id === track.id;
  return (
    <Waveform
      points={points}
      duration={track.duration_s}
      position={plays ? position.value : -1}
      sections={sections}
      onSeek={(second) => (plays ? seek(second) : play(track, second))}
      label={`Position in ${title(track)}`}
    />
  );
}

/** What plays, as large as the page of a phone. */
function NowPlaying({ track, points, onClose }) {
  const sheet = useRef();
  useEffect(() => sheet.current.showModal(), []);
  const close = () => sheet.current.close();
  return (
    <Sheet control={sheet} label="Now playing" name="now-playing" onClose={onClose}>
      <div class="row spread">
        <button class="button quiet round" onClick={close} aria-label="Close">
          <Icon name="down" />
        </button>
        <span class="small dim">Now playing</span>
        <Ways />
      </div>
      <Cover track={track} large />
      <Names track={track} onGo={close} />
      <Scrubber track={track} points={points} />
      <div class="row spread number small dim">
        <span>
          <Clock />
        </span>
        <span>{time(track.duration_s)}</span>
      </div>
      <Transport />
      <h2>{counted(queue.value.length, "track")} in the queue</h2>
      <Entries />
    </Sheet>
  );
}

export function PlayerBar() {
  const [open, setOpen] = useState(false);
  const [large, setLarge] = useState(false);
  const track = current.value;
  const points = useWaveform(track);
  if (!track) return null;
  return (
    <>
      {open && <Queue onClose={() => setOpen(false)} />}
      <section class="player" aria-label="Player" style={tones(track)}>
        <div class="row what">
          <Cover track={track} large onClick={() => setLarge(true)} aria-label="Show what plays" />
          <Names track={track} />
        </div>
        <Transport />
        <div class="times number">
          <span style={{ textAlign: "right" }}>
            <Clock />
          </span>
          <Scrubber track={track} points={points} />
          <span>{time(track.duration_s)}</span>
        </div>
        <div class="end">
          <label class="row volume" style={{ gap: "6px" }}>
            <Icon name={volume.value ? "volume" : "muted"} size={18} />
            <span class="hidden-label">Volume</span>
            <input
              type="range"
              min="0"
              max="1"
              step="0.02"
              value={volume.value}
              onInput={(event) => (volume.value = Number(event.target.value))}
            />
          </label>
          <button
            class={`button quiet round ${open ? "on" : ""}`}
            onClick={() => setOpen(!open)}
            aria-label={`Queue, ${counted(queue.value.length, "track")}`}
            aria-expanded={open}
          >
            <Icon name="queue" />
          </button>
        </div>
        <div class="thin" aria-hidden="true">
          <Line track={track} />
        </div>
      </section>
      {large && <NowPlaying track={track} points={points} onClose={() => setLarge(false)} />}
    </>
  );
}
