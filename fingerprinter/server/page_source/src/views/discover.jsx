// Finds music by words, by likes and dislikes, and along a path; keeps a playlist.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { clusters, findTracks, pathBetween, playlistFile, recommend, search } from "../api.js";
import { counted, duration, time, title } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Empty, Failure, Loaded, NeighbourList, TrackPicker } from "../parts.jsx";
import { play } from "../player.js";
import { move, offer, playlist, remove } from "../playlist.js";
import { link, route } from "../router.js";

const EXAMPLES = ["calm piano", "fast drums", "dark ambient", "happy dance", "acoustic guitar", "female vocals"];
const EXAMPLE_COVERS = 4;

const words = signal("");
const asked = signal("");
const likes = signal([]);
const dislikes = signal([]);
const ends = signal([null, null]);

/** A state without the value of the question before. */
const fresh = (state) => (state.loading ? { loading: true } : state);

const Found = ({ results, none }) =>
  results.length ? (
    <>
      <div class="row wrap">
        <button class="button primary" onClick={() => play(results[0].track, 0, results.map(({ track }) => track))}>
          <Icon name="play" size={16} /> Play all
        </button>
        <button class="button" onClick={() => offer(results.map(({ track }) => track))}>
          <Icon name="add" size={18} /> Add all to the playlist
        </button>
      </div>
      <NeighbourList results={results} />
    </>
  ) : (
    <Empty icon="search" {...none} />
  );

/** The kinds of music in the library, each with a few tracks: where one can begin. */
function Kinds() {
  const state = useLoad((stop) => clusters(stop), []);
  const list = state.value ?? [];
  if (state.error || state.value?.length === 0)
    return (
      <Empty
        icon="discover"
        heading="What do you want to hear?"
        text="Describe it by its genre, its mood or its instruments. Titles and artists are found, too."
      />
    );
  return (
    <section class="stack">
      <h2>Kinds of music in your library</h2>
      <div class="kinds">
        {state.loading && Array.from({ length: 6 }, (_, k) => <div key={k} class="ghost kind-card" />)}
        {list.map(({ id, name, size, tags, tracks }) => (
          <article key={id} class="kind-card">
            <div class="mosaic">
              {tracks.slice(0, EXAMPLE_COVERS).map(({ track }) => (
                <Cover key={track.id} track={track} />
              ))}
            </div>
            <div class="lines grow">
              <button class="plain-link ellipsis strong" onClick={() => ask(tags.join(" "))}>
                {name}
              </button>
              <span class="small dim">{counted(size, "track")}</span>
            </div>
            <button
              class="button round"
              onClick={() => play(tracks[0].track, 0, tracks.map(({ track }) => track))}
              aria-label={`Play ${name}`}
            >
              <Icon name="play" size={16} />
            </button>
          </article>
        ))}
      </div>
    </section>
  );
}

const ask = (text) => (words.value = asked.value = text);

function ByWords() {
  const state = useLoad(async (stop) => (asked.value ? search(asked.value, stop) : { results: [], notes: [] }), [asked.value]);
  const wanted = route.value.query.get("q");
  useEffect(() => void (wanted && ask(wanted)), [wanted]);
  return (
    <>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          ask(words.value.trim());
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
      <div class="chips" role="group" aria-label="Examples">
        {EXAMPLES.map((example) => (
          <button key={example} class="chip" aria-pressed={asked.value === example} onClick={() => ask(example)}>
            {example}
          </button>
        ))}
      </div>
      {!asked.value && <Kinds />}
      {asked.value && (
        <Loaded state={fresh(state)} rows={8}>
          {({ results, notes }) => (
            <>
              {notes.map((note) => (
                <p key={note} class="small dim">
                  {note}
                </p>
              ))}
              <Found
                results={results}
                none={{ heading: `Nothing is like “${asked.value}”`, text: "Try a genre, an instrument or a mood." }}
              />
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
        <Loaded state={fresh(state)} rows={8}>
          {(results) => <Found results={results} none={{ heading: "Nothing fits all of that" }} />}
        </Loaded>
      ) : (
        <Empty
          icon="like"
          heading="What do you like?"
          text="Choose a track or two. Each one more, liked or not, brings the answers nearer to your taste."
        />
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
        <span class="dim number" style={{ minWidth: "4.5em" }}>{counted(length, "track")}</span>
        <input class="grow" type="range" min="3" max="30" value={length} onChange={(event) => setLength(Number(event.target.value))} />
      </label>
      {from && to ? (
        <Loaded state={fresh(state)} rows={8}>
          {(results) => <Found results={results} none={{ heading: "There is no path between them" }} />}
        </Loaded>
      ) : (
        <Empty
          icon="path"
          heading="From one sound to another"
          text="Choose where the playlist starts and where it ends. It changes in small steps."
        />
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
    <aside class="card stack playlist-card" aria-label="Playlist">
      <div class="row spread">
        <div class="lines">
          <h2>Playlist</h2>
          {tracks.length > 0 && (
            <p class="dim small number">
              {counted(tracks.length, "track")}, {duration(tracks.reduce((sum, { duration_s: s }) => sum + s, 0))}
            </p>
          )}
        </div>
        {tracks.length > 0 && (
          <button class="button primary round" onClick={() => play(tracks[0], 0, tracks)} aria-label="Play the playlist">
            <Icon name="play" size={16} />
          </button>
        )}
      </div>
      {!tracks.length && (
        <p class="dim small">Add tracks with “+”, bring them into order, and save them for any other player.</p>
      )}
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
              event.stopPropagation();
              if (dragged != null) move(dragged, k);
            }}
          >
            <span class="dim small number">{k + 1}</span>
            <span class="lines grow">
              <a class="ellipsis" href={link.track(track)}>
                {title(track)}
              </a>
              <span class="dim small ellipsis">{track.artist ?? "Unknown artist"}</span>
            </span>
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
      {tracks.length > 0 && (
        <div class="row wrap">
          <button class="button" onClick={save}>
            <Icon name="download" size={18} /> Save as M3U8
          </button>
          <button class="button quiet" onClick={() => (playlist.value = [])}>
            Clear
          </button>
        </div>
      )}
    </aside>
  );
}

const WAYS = { words: ["By words", ByWords], taste: ["By taste", ByTaste], path: ["A path", ByPath] };
const way = signal("words");

export function Discover() {
  const [, Way] = WAYS[way.value];
  return (
    <div class="stack">
      <div class="head">
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
