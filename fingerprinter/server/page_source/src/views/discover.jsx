// Finds music by words, by likes and dislikes, and along a path; keeps a playlist.
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { findTracks, pathBetween, playlistFile, recommend, search } from "../api.js";
import { counted, duration, time, title } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Empty, Failure, Loaded, NeighbourList, TrackPicker } from "../parts.jsx";
import { play } from "../player.js";
import { move, offer, playlist, remove } from "../playlist.js";
import { link } from "../router.js";

const words = signal("");
const asked = signal("");
const likes = signal([]);
const dislikes = signal([]);
const ends = signal([null, null]);

const Add = ({ track }) => (
  <button class="button quiet round" onClick={() => offer([track])} aria-label={`Add ${title(track)} to the playlist`}>
    <Icon name="add" size={18} />
  </button>
);

const Found = ({ results, none }) =>
  results.length ? (
    <>
      <NeighbourList results={results} actions={(track) => <Add track={track} />} />
      <div>
        <button class="button quiet" onClick={() => offer(results.map(({ track }) => track))}>
          <Icon name="add" size={18} /> Add all to the playlist
        </button>
      </div>
    </>
  ) : (
    <Empty icon="discover">{none}</Empty>
  );

function ByWords() {
  const state = useLoad(async (stop) => (asked.value ? search(asked.value, stop) : { results: [], notes: [] }), [asked.value]);
  return (
    <>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          asked.value = words.value.trim();
        }}
      >
        <label class="field grow">
          <Icon name="search" size={18} />
          <span class="hidden-label">Describe the music</span>
          <input
            type="search"
            placeholder="calm piano, fast drums, a title or an artist"
            value={words.value}
            onInput={(event) => (words.value = event.target.value)}
          />
        </label>
        <button class="button primary">Search</button>
      </form>
      {asked.value && (
        <Loaded state={state}>
          {({ results, notes }) => (
            <>
              {notes.map((note) => (
                <p key={note} class="small dim">
                  {note}
                </p>
              ))}
              <Found results={results} none={`Nothing in the library is like “${asked.value}”.`} />
            </>
          )}
        </Loaded>
      )}
    </>
  );
}

function Chosen({ list, icon, label }) {
  return (
    <div class="chips">
      {list.value.map((track) => (
        <button
          key={track.id}
          class={`chip ${icon === "like" ? "good" : "warn"}`}
          style={{ border: 0, cursor: "pointer" }}
          onClick={() => (list.value = list.value.filter(({ id }) => id !== track.id))}
          aria-label={`${label} ${title(track)}: take back`}
        >
          <Icon name={icon} size={14} /> {title(track)} <Icon name="close" size={12} />
        </button>
      ))}
    </div>
  );
}

function ByTaste() {
  const ids = (list) => list.value.map(({ id }) => id);
  const keys = [ids(likes).join(), ids(dislikes).join()];
  const state = useLoad(async (stop) => (likes.value.length ? recommend(ids(likes), ids(dislikes), stop) : []), keys);
  return (
    <>
      <div class="side-by-side">
        <TrackPicker label="I like…" find={findTracks} onChoose={(track) => (likes.value = [...likes.value, track])} />
        <TrackPicker
          label="Not like…"
          find={findTracks}
          onChoose={(track) => (dislikes.value = [...dislikes.value, track])}
        />
      </div>
      <Chosen list={likes} icon="like" label="Liked" />
      <Chosen list={dislikes} icon="dislike" label="Disliked" />
      {likes.value.length ? (
        <Loaded state={state}>{(results) => <Found results={results} none="Nothing fits all of that." />}</Loaded>
      ) : (
        <Empty icon="like">Choose a track or two that you like.</Empty>
      )}
    </>
  );
}

function ByPath() {
  const [length, setLength] = useState(10);
  const [from, to] = ends.value;
  const state = useLoad(
    async (stop) => (from && to ? pathBetween(from.id, to.id, length, stop) : []),
    [from?.id, to?.id, length],
  );
  return (
    <>
      <div class="side-by-side">
        <TrackPicker label={from ? title(from) : "From…"} find={findTracks} onChoose={(t) => (ends.value = [t, to])} />
        <TrackPicker label={to ? title(to) : "To…"} find={findTracks} onChoose={(t) => (ends.value = [from, t])} />
      </div>
      <label class="row">
        <span class="dim">{counted(length, "track")}</span>
        <input type="range" min="3" max="30" value={length} onChange={(event) => setLength(Number(event.target.value))} />
      </label>
      {from && to ? (
        <Loaded state={state}>{(results) => <Found results={results} none="There is no path between them." />}</Loaded>
      ) : (
        <Empty icon="path">Choose where the playlist starts and where it ends. It changes in small steps.</Empty>
      )}
    </>
  );
}

function Playlist() {
  const [dragged, setDragged] = useState(null);
  const [target, setTarget] = useState(null);
  const [problem, setProblem] = useState(null);
  const tracks = playlist.value;
  const save = async () => {
    try {
      const address = URL.createObjectURL(await playlistFile(tracks));
      const anchor = Object.assign(document.createElement("a"), { href: address, download: "playlist.m3u8" });
      anchor.click();
      URL.revokeObjectURL(address);
    } catch (error) {
      setProblem(error);
    }
  };
  return (
    <aside class="card stack">
      <div class="row spread">
        <div>
          <h2>Playlist</h2>
          <p class="dim small">
            {counted(tracks.length, "track")}, {duration(tracks.reduce((sum, { duration_s: s }) => sum + s, 0))}
          </p>
        </div>
        <button class="button primary round" disabled={!tracks.length} onClick={() => play(tracks[0], 0, tracks)} aria-label="Play the playlist">
          <Icon name="play" size={16} />
        </button>
      </div>
      {!tracks.length && <p class="dim small">Add tracks with “+”, drag them into order, and save them as M3U8.</p>}
      <ol class="playlist">
        {tracks.map((track, k) => (
          <li
            key={track.id}
            draggable
            class={target === k ? "target" : ""}
            onDragStart={() => setDragged(k)}
            onDragOver={(event) => {
              event.preventDefault();
              setTarget(k);
            }}
            onDragEnd={() => (setDragged(null), setTarget(null))}
            onDrop={(event) => {
              event.preventDefault();
              if (dragged != null) move(dragged, k);
            }}
          >
            <span class="dim small number">{k + 1}</span>
            <a class="ellipsis" href={link.track(track)}>
              {title(track)} <span class="dim small">{track.artist}</span>
            </a>
            <span class="dim small number">{time(track.duration_s)}</span>
            <span class="row" style={{ gap: 0 }}>
              <button class="button quiet round" disabled={!k} onClick={() => move(k, k - 1)} aria-label={`Move ${title(track)} up`}>
                <Icon name="up" size={16} />
              </button>
              <button class="button quiet round" onClick={() => remove(k)} aria-label={`Remove ${title(track)}`}>
                <Icon name="close" size={16} />
              </button>
            </span>
          </li>
        ))}
      </ol>
      {problem && <Failure error={problem} />}
      <div class="row">
        <button class="button" disabled={!tracks.length} onClick={save}>
          <Icon name="download" size={18} /> M3U8
        </button>
        <button class="button quiet" disabled={!tracks.length} onClick={() => (playlist.value = [])}>
          Clear
        </button>
      </div>
    </aside>
  );
}

const WAYS = { words: ["By words", ByWords], taste: ["By taste", ByTaste], path: ["A path", ByPath] };
const way = signal("words");

export function Discover() {
  const [, Way] = WAYS[way.value];
  return (
    <div class="stack">
      <div class="head" style={{ marginBottom: 0 }}>
        <h1>Discover</h1>
        <div class="tabs" role="group" aria-label="Ways to discover">
          {Object.entries(WAYS).map(([name, [label]]) => (
            <button key={name} aria-pressed={way.value === name} onClick={() => (way.value = name)}>
              {label}
            </button>
          ))}
        </div>
      </div>
      <div class="two">
        <div class="stack">
          <Way />
        </div>
        <Playlist />
      </div>
    </div>
  );
}
