// The parts that several views share.
import { useEffect, useRef, useState } from "preact/hooks";
import { coverAddress } from "./api.js";
import { hue, time, title } from "./format.js";
import { Icon } from "./icons.jsx";
import { current, enqueue, play, playing, toggle } from "./player.js";
import { link } from "./router.js";

export const Waiting = ({ children }) => (
  <div class="waiting dim" role="status" aria-label="Loading">
    <div class="spinner" />
    {children && <p>{children}</p>}
  </div>
);

export const Failure = ({ error, again }) => (
  <div class="card error stack" role="alert">
    <p>{error.message}</p>
    {again && (
      <div>
        <button class="button" onClick={again}>
          Try again
        </button>
      </div>
    )}
  </div>
);

export const Empty = ({ icon = "library", children }) => (
  <div class="empty">
    <Icon name={icon} size={36} />
    <div>{children}</div>
  </div>
);

/** Shows the state of `useLoad`: waiting, failed, or what `children(value)` draws. */
export function Loaded({ state, waiting, children }) {
  if (state.error) return <Failure error={state.error} again={state.again} />;
  if (state.value === undefined) return <Waiting>{waiting}</Waiting>;
  return children(state.value);
}

/**
 * The cover picture; a drawn one in a colour of its own where there is none. A small one is asked for only if
 * the library knows that it exists: a list must not open hundreds of files.
 */
export function Cover({ track, large = false, children, ...rest }) {
  const [broken, setBroken] = useState(false);
  const tone = hue(track.album || track.artist || title(track));
  useEffect(() => setBroken(false), [track.id]);
  const Element = rest.onClick ? "button" : "div";
  return (
    <Element class="cover" {...rest}>
      <svg viewBox="0 0 40 40" aria-hidden="true">
        <rect width="40" height="40" fill={`hsl(${tone} 42% 38%)`} />
        <g fill="none" stroke={`hsl(${(tone + 38) % 360} 70% 76%)`} stroke-width="1.8" stroke-linecap="round" opacity=".85">
          <path d="M10 26v-5a10 10 0 0 1 20 0v3M14.500 29v-8a5.500 5.500 0 0 1 11 0v8M20 21v10" />
        </g>
      </svg>
      {!broken && (large || track.cover) && <img src={coverAddress(track)} alt="" loading="lazy" onError={() => setBroken(true)} />}
      {children}
    </Element>
  );
}

export const Similarity = ({ value }) => (
  <span class="number small dim row" style={{ gap: "8px" }} title="Similarity, 1 is the same sound">
    <span class="meter">
      <span style={{ width: `${100 * Math.max(0, value)}%` }} />
    </span>
    {value.toFixed(2)}
  </span>
);

/** One track: play it, open it, queue it. `extra` fills a column; `note` stands behind the artist. */
export function TrackRow({ track, tracks, extra, note, actions }) {
  const plays = current.value?.id === track.id;
  const name = title(track);
  return (
    <div class={`track-row ${plays ? "playing" : ""}`}>
      <Cover
        track={track}
        onClick={() => (plays ? toggle() : play(track, 0, tracks))}
        aria-label={`${plays && playing.value ? "Pause" : "Play"} ${name}`}
      >
        <span class="over">
          <Icon name={plays && playing.value ? "pause" : "play"} size={18} />
        </span>
      </Cover>
      <div class="grow">
        <a class="name ellipsis" href={link.track(track)} style={{ display: "block" }}>
          {name}
        </a>
        <div class="ellipsis small dim">
          {track.artist ? <a href={link.artist(track.artist)}>{track.artist}</a> : "Unknown artist"}
          {note && ` · ${note}`}
        </div>
      </div>
      <div class="album ellipsis small dim">
        {track.album && (
          <a href={link.album({ album: track.album, artist: track.album_artist || track.artist })}>{track.album}</a>
        )}
      </div>
      <div class="extra">{extra}</div>
      <div class="number small dim">{time(track.duration_s)}</div>
      <div class="actions">
        {actions}
        <button class="button quiet round" onClick={() => enqueue([track])} aria-label={`Play ${name} later`}>
          <Icon name="queue" size={18} />
        </button>
      </div>
    </div>
  );
}

export function TrackList({ tracks, extra = () => null, note = () => null, actions = () => null }) {
  return (
    <div class="tracks">
      {tracks.map((track) => (
        <TrackRow
          key={track.id}
          track={track}
          tracks={tracks}
          extra={extra(track)}
          note={note(track)}
          actions={actions(track)}
        />
      ))}
    </div>
  );
}

/** Neighbours of a search: the tracks with their similarity. */
export function NeighbourList({ results, actions, note }) {
  const by = new Map(results.map((result) => [result.track.id, result]));
  return (
    <TrackList
      tracks={results.map(({ track }) => track)}
      extra={(track) => <Similarity value={by.get(track.id).similarity} />}
      note={(track) => note?.(by.get(track.id))}
      actions={actions}
    />
  );
}

const ROW = 60; // pixels, as in the sheet
const PAGE = 200;

/**
 * A list of any length with only the rows in sight in the document.
 * `load(offset, limit, signal)` gives one page; a change of `id` starts anew.
 */
export function VirtualList({ id, total, load, row }) {
  const frame = useRef();
  const pages = useRef(new Map());
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [, redraw] = useState(0);
  useEffect(() => {
    pages.current = new Map();
    frame.current.scrollTop = 0;
    setTop(0);
    redraw((n) => n + 1);
  }, [id]);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setHeight(entry.contentRect.height));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / ROW) - 6);
  const last = Math.min(total, Math.ceil((top + height) / ROW) + 6);
  useEffect(() => {
    const mine = pages.current;
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) {
      if (mine.has(page)) continue;
      mine.set(page, []);
      load(page * PAGE, PAGE).then(
        (items) => {
          mine.set(page, items);
          if (mine === pages.current) redraw((n) => n + 1);
        },
        () => mine.delete(page),
      );
    }
  }, [first, last, id]);
  const rows = [];
  for (let k = first; k < last; k++) {
    const item = pages.current.get(Math.floor(k / PAGE))?.[k % PAGE];
    rows.push(
      <div key={k} class="slot" role="listitem" aria-setsize={total} aria-posinset={k + 1} style={{ top: `${k * ROW}px` }}>
        {item && row(item)}
      </div>,
    );
  }
  return (
    <div class="tracks">
      <div class="virtual" ref={frame} role="list" tabIndex={0} onScroll={(event) => setTop(event.target.scrollTop)}>
        <div style={{ height: `${total * ROW}px` }}>{rows}</div>
      </div>
    </div>
  );
}

/** A field that finds a track as one types; `onChoose(track)`. */
export function TrackPicker({ label, find, onChoose }) {
  const [words, setWords] = useState("");
  const [found, setFound] = useState([]);
  useEffect(() => {
    if (!words.trim()) return setFound([]);
    const stop = new AbortController();
    const timer = setTimeout(() => find(words, stop.signal).then(setFound, () => {}), 180);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [words]);
  const choose = (track) => {
    setWords("");
    setFound([]);
    onChoose(track);
  };
  return (
    <div style={{ position: "relative" }}>
      <label class="field">
        <Icon name="search" size={18} />
        <span class="hidden-label">{label}</span>
        <input
          value={words}
          placeholder={label}
          onInput={(event) => setWords(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && found.length) choose(found[0]);
            if (event.key === "Escape") setWords("");
          }}
        />
      </label>
      {found.length > 0 && (
        <ul class="plain found">
          {found.map((track) => (
            <li key={track.id}>
              <button onClick={() => choose(track)}>
                <span class="ellipsis">{title(track)}</span> <span class="dim small ellipsis">{track.artist}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
