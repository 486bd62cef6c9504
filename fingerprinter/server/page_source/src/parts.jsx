// The parts that several views share.
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { coverAddress } from "./api.js";
import { artOf } from "./art.js";
import { percent, time, title, variation } from "./format.js";
import { Icon } from "./icons.jsx";
import { current, enqueue, play, playing, toggle } from "./player.js";
import { offer } from "./playlist.js";
import { link, returning } from "./router.js";
import { tell } from "./toasts.jsx";

export const Waiting = ({ children }) => (
  <div class="waiting dim" role="status" aria-label="Loading">
    <div class="spinner" />
    {children && <p>{children}</p>}
  </div>
);

/** The shape of a list that is on its way. */
export const WaitingRows = ({ number = 6 }) => (
  <div class="tracks" role="status" aria-label="Loading">
    {Array.from({ length: number }, (_, k) => (
      <div key={k} class="track-row">
        <Ghost />
      </div>
    ))}
  </div>
);

const Ghost = () => (
  <>
    <div class="ghost cover" />
    <div class="stack ghosts">
      <div class="ghost" />
      <div class="ghost short" />
    </div>
  </>
);

export const Failure = ({ error, again }) => (
  <div class="card error row wrap" role="alert">
    <Icon name="warning" />
    <p class="grow">{error.message}</p>
    {again && (
      <button class="button" onClick={again}>
        Try again
      </button>
    )}
  </div>
);

/** Says that there is nothing yet, and what to do about it. `children` are the ways on. */
export const Empty = ({ icon = "library", heading, text, children }) => (
  <div class="empty">
    <span class="empty-icon">
      <Icon name={icon} size={30} />
    </span>
    <h2>{heading}</h2>
    {text && <p>{text}</p>}
    {children && <div class="row wrap centre">{children}</div>}
  </div>
);

/** Shows the state of `useLoad`: waiting, failed, or what `children(value)` draws. */
export function Loaded({ state, waiting, rows = 0, children }) {
  if (state.error) return <Failure error={state.error} again={state.again} />;
  if (state.value === undefined) return rows ? <WaitingRows number={rows} /> : <Waiting>{waiting}</Waiting>;
  return children(state.value);
}

/** A sheet over the page that Escape, its button and a click beside it close. `control.current.showModal()` opens it. */
export function Sheet({ control, label, name = "", onClose, children }) {
  return (
    <dialog
      ref={control}
      class={name}
      aria-label={label}
      onClose={onClose}
      onClick={(event) => event.target === control.current && control.current.close()}
    >
      <div class="sheet-body">{children}</div>
    </dialog>
  );
}

/** What a cover is drawn from: tracks of one album have the same one. */
const nameOf = (track) => track.album || track.artist || title(track);

/** Custom properties of the colours of a track's drawn cover, for the ground behind it. */
export const tones = (track) => {
  const { from, to } = artOf(nameOf(track));
  return { "--from": from, "--to": to };
};

/** A cover that is drawn: nobody but the name decides how it looks. */
export function Art({ name, large = false }) {
  const { from, to, ink, angle, lines } = artOf(name, large);
  return (
    <svg viewBox="0 0 100 100" style={{ background: `linear-gradient(${angle}deg, ${from}, ${to})` }} aria-hidden="true">
      <path d={lines} fill="none" stroke={ink} stroke-width={large ? 1.3 : 3} stroke-linejoin="round" opacity=".78" />
    </svg>
  );
}

/**
 * The cover picture; a drawn one where there is none. A small one is asked for only if the library knows that it
 * exists: a list must not open hundreds of files.
 */
export function Cover({ track, large = false, children, ...rest }) {
  const [broken, setBroken] = useState(false);
  useEffect(() => setBroken(false), [track.id]);
  const Element = rest.onClick ? "button" : "div";
  return (
    <Element class="cover" {...rest}>
      <Art name={nameOf(track)} large={large} />
      {!broken && (large || track.cover) && (
        <img key={track.id} src={coverAddress(track)} alt="" loading="lazy" decoding="async" onError={() => setBroken(true)} />
      )}
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

const Equalizer = () => (
  <span class="equalizer" aria-hidden="true">
    <i />
    <i />
    <i />
  </span>
);

/** One track: play it, open it, queue it. `extra` fills a column; `note` stands behind the artist. */
export function TrackRow({ track, tracks, number, extra, note, actions }) {
  const plays = current.value?.id === track.id;
  const sounds = plays && playing.value;
  const name = title(track);
  const start = () => (plays ? toggle() : play(track, 0, tracks));
  return (
    <div
      class={`track-row ${plays ? "playing" : ""} ${sounds ? "sounds" : ""}`}
      onDblClick={(event) => event.target.closest("a, button") || start()}
    >
      <Cover track={track} onClick={start} data-number={number} aria-label={`${sounds ? "Pause" : "Play"} ${name}`}>
        <span class="over">
          {sounds && <Equalizer />}
          <Icon name={sounds ? "pause" : "play"} size={18} />
        </span>
      </Cover>
      <div class="grow lines">
        <a class="name ellipsis" href={link.track(track)}>
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
      <div class="extra small dim number">{extra}</div>
      <div class="length number small dim">{time(track.duration_s)}</div>
      <div class="actions">
        <button class="button quiet round" onClick={() => enqueue([track])} aria-label={`Play ${name} later`} title="Play later">
          <Icon name="queue" size={18} />
        </button>
        {actions ?? (
          <button
            class="button quiet round"
            onClick={() => offer([track])}
            aria-label={`Add ${name} to the playlist`}
            title="Add to the playlist"
          >
            <Icon name="add" size={18} />
          </button>
        )}
      </div>
    </div>
  );
}

/** All of some tracks, in a row each. `numbered` shows their numbers of the album in place of covers. */
export function TrackList({ tracks, numbered = false, extra = () => null, note = () => null }) {
  return (
    <div class={`tracks ${numbered ? "numbered" : ""}`}>
      {tracks.map((track, k) => (
        <TrackRow
          key={track.id}
          track={track}
          tracks={tracks}
          number={numbered ? (track.track_number ?? k + 1) : null}
          extra={extra(track)}
          note={note(track)}
        />
      ))}
    </div>
  );
}

/** Neighbours of a search: the tracks with their similarity. */
export function NeighbourList({ results, note }) {
  const by = new Map(results.map((result) => [result.track.id, result]));
  return (
    <TrackList
      tracks={results.map(({ track }) => track)}
      extra={(track) => <Similarity value={by.get(track.id).similarity} />}
      note={(track) => note?.(by.get(track.id))}
    />
  );
}

/** Versions of a track or of a clip: how they differ, and the passage that both play; a clip cannot be played. */
export const VersionList = ({ results, of = null }) => (
  <div class="tracks">
    {results.map((version) => (
      <div key={version.track.id} class="version">
        <TrackRow track={version.track} />
        <div class="passages small">
          <span class="dim">
            {variation(version)}, {percent(version.confidence)} sure
          </span>
          <Passage track={version.track} from={version.start_s} to={version.end_s} where={of && "there"} />
          {of && <Passage track={of} from={version.query_start_s} to={version.query_end_s} where="here" />}
        </div>
      </div>
    ))}
  </div>
);

/** A button that plays a passage; `where` tells in which of two tracks it is. */
const Passage = ({ track, from, to, where }) => (
  <button class="button quiet" onClick={() => play(track, from)} aria-label={`Play ${title(track)} from ${time(from)}`}>
    <Icon name="play" size={14} />
    <span class="number">
      {time(from)} to {time(to)}
    </span>
    {where}
  </button>
);

const GhostItem = () => (
  <div class="ghost-item">
    <Ghost />
  </div>
);

const PAGE = 200; // items of one request
const BEYOND = 500; // pixels above and below the window that are drawn, too
const STILL_MS = 90; // a page is asked for when the list stays there so long: no request for what flies by

const keptPages = new Map(); // the pages of the last list: on the way back it is there at once

/**
 * A list of any length in the page, with only the items in sight in the document.
 *
 * `load(offset, limit)` gives one page; a change of `id` starts anew. `item(value, others)` draws one item, where
 * `others` are those of its page. Items stand in rows of as many as are at least `width` pixels wide; without a
 * width, each is a row. They are `height` pixels high, or `height(pixels)` of what their width comes to. The elements
 * of items that leave the window are used again for those that enter it.
 */
export function VirtualList({ id, total, load, item, height, width, name = "" }) {
  const frame = useRef();
  const [{ columns, tall, from, to, rows }, setSpan] = useState({ columns: 1, tall: 60, from: 0, to: 0, rows: 1 });
  const [, redraw] = useState(0);
  const drawn = useRef(new Map()); // the items in sight: one that stays is not drawn again
  const pages = useMemo(() => {
    if (!returning() || !keptPages.has(id)) {
      keptPages.clear();
      keptPages.set(id, new Map());
    }
    return keptPages.get(id);
  }, [id]);
  useLayoutEffect(() => {
    const measure = () => {
      const box = frame.current.getBoundingClientRect();
      const fit = width ? Math.max(1, Math.floor(box.width / width)) : 1;
      const high = typeof height === "function" ? height(box.width / fit) : height;
      const first = Math.max(0, Math.floor((-box.top - BEYOND) / high));
      const end = Math.max(first, Math.ceil((innerHeight - box.top + BEYOND) / high));
      const most = Math.ceil((innerHeight + 2 * BEYOND) / high) + 2;
      const next = { columns: fit, tall: high, from: first, to: Math.min(end, first + most), rows: most };
      setSpan((before) => (Object.keys(next).every((key) => before[key] === next[key]) ? before : next));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(frame.current);
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      observer.disconnect();
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, [id]);
  const first = Math.min(total, from * columns);
  const last = Math.min(total, to * columns);
  useEffect(() => {
    const ask = () => {
      for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) {
        if (pages.has(page)) continue;
        pages.set(page, null);
        load(page * PAGE, PAGE).then(
          (items) => {
            pages.set(page, items);
            redraw((n) => n + 1);
          },
          (error) => {
            pages.delete(page);
            tell(error.message);
          },
        );
      }
    };
    if (!pages.size) return ask();
    const timer = setTimeout(ask, STILL_MS);
    return () => clearTimeout(timer);
  }, [first, last, id]);
  const items = [];
  const kept = new Map();
  for (let k = first; k < last; k++) {
    const page = pages.get(Math.floor(k / PAGE));
    const [row, column] = [Math.floor(k / columns), k % columns];
    const old = drawn.current.get(k);
    const entry = page?.[k % PAGE];
    kept.set(k, old && old.entry === entry ? old : { entry, node: entry ? item(entry, page) : <GhostItem /> });
    items.push(
      <div
        key={k % (rows * columns)}
        class="slot"
        role="listitem"
        aria-setsize={total}
        aria-posinset={k + 1}
        style={{ transform: `translate(${100 * column}%, ${row * tall}px)`, width: `${100 / columns}%`, height: `${tall}px` }}
      >
        {kept.get(k).node}
      </div>,
    );
  }
  drawn.current = kept;
  return (
    <div class={`virtual ${name}`} ref={frame} role="list" style={{ height: `${Math.ceil(total / columns) * tall}px` }}>
      {items}
    </div>
  );
}

/** A field that finds a track as one types; `onChoose(track)`. Arrow keys choose among the finds. */
export function TrackPicker({ label, find, onChoose }) {
  const [words, setWords] = useState("");
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  const id = useId();
  useEffect(() => {
    setAt(0);
    if (!words.trim()) return setFound(null);
    const stop = new AbortController();
    const timer = setTimeout(() => find(words, stop.signal).then(setFound, () => {}), 180);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [words]);
  const choose = (track) => {
    setWords("");
    setFound(null);
    onChoose(track);
  };
  const press = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && found?.length) {
      event.preventDefault();
      setAt((at + by + found.length) % found.length);
    }
    if (event.key === "Enter" && found?.length) {
      event.preventDefault();
      choose(found[at]);
    }
    if (event.key === "Escape") setWords("");
  };
  return (
    <div class="picker" onFocusOut={(event) => event.currentTarget.contains(event.relatedTarget) || setFound(null)}>
      <label class="field">
        <Icon name="search" size={18} />
        <span class="hidden-label">{label}</span>
        <input
          role="combobox"
          aria-expanded={Boolean(found)}
          aria-controls={id}
          aria-activedescendant={found?.length ? `${id}-${at}` : undefined}
          autocomplete="off"
          value={words}
          placeholder={label}
          onInput={(event) => setWords(event.target.value)}
          onKeyDown={press}
        />
      </label>
      {found && (
        <ul class="plain found" id={id} role="listbox" aria-label={label}>
          {found.map((track, k) => (
            <li
              key={track.id}
              id={`${id}-${k}`}
              role="option"
              aria-selected={k === at}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => choose(track)}
            >
              <Cover track={track} />
              <div class="lines grow">
                <div class="ellipsis">{title(track)}</div>
                <div class="dim small ellipsis">{track.artist ?? "Unknown artist"}</div>
              </div>
            </li>
          ))}
          {!found.length && (
            <li class="dim small" role="option" aria-selected="false" aria-disabled="true">
              Nothing has these words in its title, artist or album.
            </li>
          )}
        </ul>
      )}
    </div>
  );
}
