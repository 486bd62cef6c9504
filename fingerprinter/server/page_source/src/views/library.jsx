// The library: tracks, albums and artists, with a search as one types.
import { useState } from "preact/hooks";
import { albums, artists, tracks } from "../api.js";
import { counted, duration } from "../format.js";
import { useLater, useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Empty, Loaded, TrackList, TrackRow, VirtualList } from "../parts.jsx";
import { play } from "../player.js";
import { link, query, replace, route } from "../router.js";

const ORDERS = [
  ["artist", "Artist"],
  ["title", "Title"],
  ["-added", "Newest first"],
  ["year", "Year"],
  ["duration", "Length"],
];

function Tabs({ now }) {
  return (
    <nav class="tabs" aria-label="Library">
      {["tracks", "albums", "artists"].map((name) => (
        <a key={name} href={`#/library/${name}`} aria-current={now === name ? "page" : undefined}>
          {name[0].toUpperCase() + name.slice(1)}
        </a>
      ))}
    </nav>
  );
}

const Nothing = ({ words }) =>
  words ? (
    <Empty icon="search">Nothing in the library has “{words}” in its title, artist or album.</Empty>
  ) : (
    <Empty>
      The library is empty. Add music with <code>fingerprinter index FOLDER</code> or under <a href="#/jobs">Jobs</a>.
    </Empty>
  );

function Tracks({ words, order }) {
  const asked = { query: words, order };
  const state = useLoad((signal) => tracks({ ...asked, limit: 1 }, signal), [words, order]);
  return (
    <Loaded state={state}>
      {({ total }) =>
        total ? (
          <>
            <p class="dim small">{counted(total, "track")}</p>
            <VirtualList
              id={query(asked)}
              total={total}
              load={async (offset, limit) => (await tracks({ ...asked, offset, limit })).tracks}
              row={(track) => <TrackRow track={track} />}
            />
          </>
        ) : (
          <Nothing words={words} />
        )
      }
    </Loaded>
  );
}

const AlbumTile = ({ album }) => (
  <a class="tile" href={link.album(album)}>
    <Cover track={{ ...album, id: album.cover_track }} large />
    <div class="ellipsis" style={{ fontWeight: 600 }}>
      {album.album}
    </div>
    <div class="ellipsis small dim">{[album.artist, album.year].filter(Boolean).join(" · ") || "Unknown artist"}</div>
  </a>
);

function Albums({ words }) {
  const state = useLoad((signal) => albums({ query: words, limit: 500 }, signal), [words]);
  return (
    <Loaded state={state}>
      {({ albums: found }) =>
        found.length ? (
          <div class="grid">
            {found.map((album) => (
              <AlbumTile key={`${album.artist}-${album.album}`} album={album} />
            ))}
          </div>
        ) : (
          <Nothing words={words} />
        )
      }
    </Loaded>
  );
}

function Artists({ words }) {
  const state = useLoad((signal) => artists({ query: words, limit: 500 }, signal), [words]);
  return (
    <Loaded state={state}>
      {({ artists: found }) =>
        found.length ? (
          <div class="grid">
            {found.map(({ artist: name, tracks: number }) => (
              <a key={name} class="card" href={link.artist(name)}>
                <div class="ellipsis" style={{ fontWeight: 600 }}>
                  {name}
                </div>
                <div class="small dim">{counted(number, "track")}</div>
              </a>
            ))}
          </div>
        ) : (
          <Nothing words={words} />
        )
      }
    </Loaded>
  );
}

function Group({ heading, below, load, keys }) {
  const state = useLoad(load, keys);
  return (
    <div class="stack">
      <a class="small dim" href="#/library">
        ← Library
      </a>
      <Loaded state={state}>
        {({ tracks: found }) => (
          <>
            <div class="head">
              <div class="row">
                {found[0] && <Cover track={found[0]} large style={{ width: "96px", height: "96px" }} />}
                <div>
                  <h1>{heading}</h1>
                  <p class="dim">
                    {[below, counted(found.length, "track"), duration(found.reduce((sum, t) => sum + t.duration_s, 0))]
                      .filter(Boolean)
                      .join(" · ")}
                  </p>
                </div>
              </div>
              {found[0] && (
                <button class="button primary" onClick={() => play(found[0], 0, found)}>
                  <Icon name="play" size={16} /> Play all
                </button>
              )}
            </div>
            <TrackList tracks={found} />
          </>
        )}
      </Loaded>
    </div>
  );
}

export function Library() {
  const { rest, query: asked } = route.value;
  const [words, setWords] = useState("");
  const later = useLater(words);
  const tab = rest[0] ?? "tracks";
  const order = asked.get("order") ?? "artist";
  if (tab === "album") {
    const [album, artist] = [asked.get("album"), asked.get("artist")];
    const load = (signal) => tracks({ album, artist, exact: true, order: "album", limit: 500 }, signal);
    return <Group heading={album} below={artist} load={load} keys={[album, artist]} />;
  }
  if (tab === "artist") {
    const name = asked.get("name");
    return (
      <Group
        heading={name}
        load={(signal) => tracks({ artist: name, exact: true, order: "album", limit: 500 }, signal)}
        keys={[name]}
      />
    );
  }
  const Shown = { tracks: Tracks, albums: Albums, artists: Artists }[tab] ?? Tracks;
  return (
    <div class="stack">
      <div class="head" style={{ marginBottom: 0 }}>
        <h1>Library</h1>
        <Tabs now={tab} />
      </div>
      <div class="row wrap">
        <label class="field grow">
          <Icon name="search" size={18} />
          <span class="hidden-label">Search by title, artist or album</span>
          <input
            type="search"
            value={words}
            placeholder="Search by title, artist or album"
            onInput={(event) => setWords(event.target.value)}
          />
        </label>
        {tab === "tracks" && (
          <label>
            <span class="hidden-label">Order</span>
            <select
              class="button"
              value={order}
              onChange={(event) => replace(`#/library/tracks?${query({ order: event.target.value })}`)}
            >
              {ORDERS.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <Shown words={later.trim()} order={order} />
    </div>
  );
}
