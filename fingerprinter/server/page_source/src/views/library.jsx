// The library: tracks, albums and artists, with a search as one types.
import { useEffect, useState } from "preact/hooks";
import { albums, artists, tracks } from "../api.js";
import { counted, duration } from "../format.js";
import { useLater, useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Art, Cover, Empty, Loaded, TrackList, TrackRow, VirtualList, tones } from "../parts.jsx";
import { enqueue, play, shuffled } from "../player.js";
import { link, query, replace, route } from "../router.js";

const ORDERS = [
  ["artist", "Artist"],
  ["title", "Title"],
  ["album", "Album"],
  ["-added", "Newest first"],
  ["year", "Oldest music first"],
  ["-year", "Newest music first"],
  ["duration", "Shortest first"],
  ["-duration", "Longest first"],
];
const ROW = 60; // pixels, as in the sheet
const TILE = { width: 168, height: (width) => Math.round(width) + 64 };
const PERSON = { width: 240, height: 84 };

const TABS = ["tracks", "albums", "artists"];

const Tabs = ({ now, words }) => (
  <nav class="tabs" aria-label="Library">
    {TABS.map((name) => (
      <a key={name} href={`#/library/${name}${words && `?${query({ q: words })}`}`} aria-current={now === name ? "page" : undefined}>
        {name[0].toUpperCase() + name.slice(1)}
      </a>
    ))}
  </nav>
);

const Nothing = ({ words }) =>
  words ? (
    <Empty icon="search" heading={`Nothing for “${words}”`} text="No title, artist, album or genre has these words.">
      <a class="button" href={`#/discover?${query({ q: words })}`}>
        <Icon name="discover" size={18} /> Search by sound
      </a>
    </Empty>
  ) : (
    <Empty heading="No music yet" text="Choose a folder of music. It is listened to once, and then every clip of it has a name.">
      <a class="button primary" href="#/jobs">
        <Icon name="folder" size={18} /> Index a folder
      </a>
    </Empty>
  );

const totals = new Map(); // of the last lists, so that the way back finds them as they were

/** A list of which the server is asked in pages: `ask({offset, limit}, signal)` answers with `total`. */
function Pages({ id, ask, words, waiting, one, heading, ...list }) {
  const state = useLoad(async (stop) => (await ask({ limit: 1 }, stop)).total, [id]);
  useEffect(() => void (state.value !== undefined && !state.loading && totals.set(id, state.value)), [state]);
  const known = state.loading ? (totals.get(id) ?? state.value) : state.value;
  return (
    <Loaded state={{ ...state, value: known }} rows={8}>
      {(total) =>
        total ? (
          <div class={state.loading && !totals.has(id) ? "stack old" : "stack"}>
            <p class="dim small" role="status">
              {counted(total, one)}
              {words && ` for “${words}”`}
            </p>
            <div>
              {heading}
              <VirtualList id={id} total={total} {...list} />
            </div>
          </div>
        ) : (
          <Nothing words={words} />
        )
      }
    </Loaded>
  );
}

/** The heads of the columns; a click sorts by one, a second click turns the order round. */
function Heads({ order, onOrder }) {
  const head = (name, label, place) => {
    const down = order === `-${name}`;
    const sorted = down || order === name;
    return (
      <button
        class={`${place} ${sorted ? "sorted" : ""}`}
        onClick={() => onOrder(order === name ? `-${name}` : name)}
        aria-label={`Sort by ${label.toLowerCase()}${sorted ? (down ? ", now downwards" : ", now upwards") : ""}`}
      >
        {label}
        {sorted && <span aria-hidden="true">{down ? " ↓" : " ↑"}</span>}
      </button>
    );
  };
  return (
    <div class="track-row heads">
      <span />
      <span class="row grow">
        {head("title", "Title", "")}
        {head("artist", "Artist", "dim")}
      </span>
      {head("album", "Album", "album")}
      {head("year", "Year", "extra")}
      {head("duration", "Length", "length")}
      <span class="actions" />
    </div>
  );
}

function Tracks({ words, order, onOrder }) {
  const asked = { query: words, order };
  return (
    <div class="tracks open">
      <Pages
        id={`tracks ${query(asked)}`}
        ask={(page, stop) => tracks({ ...asked, ...page }, stop)}
        load={async (offset, limit) => (await tracks({ ...asked, offset, limit })).tracks}
        words={words}
        one="track"
        height={ROW}
        heading={<Heads order={order} onOrder={onOrder} />}
        item={(track, others) => <TrackRow track={track} tracks={others} extra={track.year} />}
      />
    </div>
  );
}

const AlbumTile = ({ album }) => (
  <a class="tile" href={link.album(album)}>
    <Cover track={{ ...album, id: album.cover_track }} large />
    <div class="ellipsis strong">{album.album}</div>
    <div class="ellipsis small dim">{[album.artist, album.year].filter(Boolean).join(" · ") || "Unknown artist"}</div>
  </a>
);

const Albums = ({ words }) => (
  <Pages
    id={`albums ${words}`}
    ask={(page, stop) => albums({ query: words, ...page }, stop)}
    load={async (offset, limit) => (await albums({ query: words, offset, limit })).albums}
    words={words}
    one="album"
    {...TILE}
    name="tiles-of-albums"
    item={(album) => <AlbumTile album={album} />}
  />
);

const Artists = ({ words }) => (
  <Pages
    id={`artists ${words}`}
    ask={(page, stop) => artists({ query: words, ...page }, stop)}
    load={async (offset, limit) => (await artists({ query: words, offset, limit })).artists}
    words={words}
    one="artist"
    {...PERSON}
    name="tiles-of-artists"
    item={({ artist: name, tracks: number, albums: records }) => (
      <a class="person" href={link.artist(name)}>
        <span class="cover">
          <Art name={name} />
        </span>
        <span class="lines grow">
          <span class="ellipsis strong">{name}</span>
          <span class="small dim ellipsis">
            {records ? `${counted(records, "album")}, ` : ""}
            {counted(number, "track")}
          </span>
        </span>
      </a>
    )}
  />
);

/** The head of a page about some tracks: their cover before a ground in its colours. */
export function Hero({ track, kind, heading, children, round = false }) {
  return (
    <header class={`hero ${round ? "round" : ""}`} style={tones(track)}>
      {round ? (
        <div class="cover">
          <Art name={heading} large />
        </div>
      ) : (
        <Cover track={track} large />
      )}
      <div class="hero-text">
        <p class="kind">{kind}</p>
        <h1>{heading}</h1>
        {children}
      </div>
    </header>
  );
}

const Starts = ({ found }) => (
  <div class="row wrap">
    <button class="button primary" onClick={() => play(found[0], 0, found)}>
      <Icon name="play" size={16} /> Play all
    </button>
    <button
      class="button"
      onClick={() => {
        const list = shuffled(found);
        play(list[0], 0, list);
      }}
    >
      <Icon name="shuffle" size={18} /> Shuffle
    </button>
    <button class="button" onClick={() => enqueue(found)}>
      <Icon name="queue" size={18} /> Play later
    </button>
  </div>
);

const lengthOf = (found) => duration(found.reduce((sum, { duration_s: s }) => sum + s, 0));

function Group({ load, keys, hero, list }) {
  const state = useLoad(load, keys);
  return (
    <div class="stack wide">
      <Loaded state={state} rows={6}>
        {({ tracks: found }) =>
          found.length ? (
            <>
              {hero(found)}
              <Starts found={found} />
              {list(found)}
            </>
          ) : (
            <Nothing words={keys[0]} />
          )
        }
      </Loaded>
    </div>
  );
}

const Album = ({ album, artist }) => (
  <Group
    keys={[album, artist]}
    load={(stop) => tracks({ album, album_artist: artist, exact: true, order: "album", limit: 500 }, stop)}
    hero={(found) => (
      <Hero track={found[0]} kind="Album" heading={album}>
        <p>
          {artist ? <a href={link.artist(artist)}>{artist}</a> : "Unknown artist"}
          <span class="dim">
            {[found[0].year, counted(found.length, "track"), lengthOf(found)].filter(Boolean).map((each) => ` · ${each}`)}
          </span>
        </p>
      </Hero>
    )}
    list={(found) => <TrackList tracks={found} numbered />}
  />
);

/** The albums of some tracks, in their order. */
function albumsOf(found) {
  const all = new Map();
  for (const track of found)
    if (track.album && !all.has(track.album))
      all.set(track.album, {
        album: track.album,
        artist: track.album_artist || track.artist,
        year: track.year,
        cover_track: track.id,
      });
  return [...all.values()];
}

const Artist = ({ name }) => (
  <Group
    keys={[name]}
    load={(stop) => tracks({ artist: name, exact: true, order: "album", limit: 500 }, stop)}
    hero={(found) => (
      <Hero track={{ artist: name }} kind="Artist" heading={name} round>
        <p class="dim">
          {counted(found.length, "track")} · {lengthOf(found)}
        </p>
      </Hero>
    )}
    list={(found) => (
      <>
        {albumsOf(found).length > 0 && (
          <section class="stack">
            <h2>Albums</h2>
            <div class="grid">
              {albumsOf(found).map((album) => (
                <AlbumTile key={album.album} album={album} />
              ))}
            </div>
          </section>
        )}
        <h2>Tracks</h2>
        <TrackList tracks={found} extra={(track) => track.year} />
      </>
    )}
  />
);

export function Library() {
  const { rest, query: asked } = route.value;
  const tab = rest[0] ?? "tracks";
  if (tab === "album") return <Album album={asked.get("album")} artist={asked.get("artist")} />;
  if (tab === "artist") return <Artist name={asked.get("name")} />;
  return <Lists tab={TABS.includes(tab) ? tab : "tracks"} />;
}

function Lists({ tab }) {
  const asked = route.value.query;
  const [words, setWords] = useState(asked.get("q") ?? "");
  const later = useLater(words.trim());
  const order = asked.get("order") ?? "artist";
  const show = (values) => replace(`#/library/${tab}?${query(values)}`);
  useEffect(() => {
    if (later !== (asked.get("q") ?? "")) show({ q: later, order: asked.get("order") });
  }, [later]);
  const onOrder = (wanted) => show({ q: later, order: wanted });
  const Shown = { tracks: Tracks, albums: Albums, artists: Artists }[tab];
  return (
    <div class="stack">
      <div class="head">
        <h1>Library</h1>
        <Tabs now={tab} words={later} />
      </div>
      <div class="row search-bar">
        <label class="field grow">
          <Icon name="search" size={18} />
          <span class="hidden-label">Search by title, artist or album</span>
          <input
            type="search"
            value={words}
            placeholder="Search by title, artist or album"
            onInput={(event) => setWords(event.target.value)}
          />
          <kbd class="wide-only">/</kbd>
        </label>
        {tab === "tracks" && (
          <label>
            <span class="hidden-label">Order</span>
            <select class="button" value={order} onChange={(event) => onOrder(event.target.value)}>
              {ORDERS.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <Shown words={later} order={order} onOrder={onOrder} />
    </div>
  );
}
