// One track: player, waveform with its sections, analysis, tags, what sounds like it, and its versions.
import { useEffect, useState } from "preact/hooks";
import {
  analysis,
  audioAddress,
  findTracks,
  pathBetween,
  similar,
  spectrogramAddress,
  stats,
  track as load,
  versions,
} from "../api.js";
import { count, counted, date, duration, percent, time, title } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Empty, Loaded, NeighbourList, TrackPicker, VersionList, tones } from "../parts.jsx";
import { current, enqueue, play, playing, toggle } from "../player.js";
import { Scrubber, useWaveform } from "../playerbar.jsx";
import { offer } from "../playlist.js";
import { link, route } from "../router.js";

const FACETS = [
  ["timbre", "timbre"],
  ["rhythm", "rhythm"],
  ["harmony", "harmony"],
];

/** "close in timbre and rhythm; calm, piano" */
function reasons(why) {
  if (!why) return null;
  const close = FACETS.filter(([name]) => why[name] >= 0.95).map(([, word]) => word);
  return [close.length && `close in ${close.join(" and ")}`, why.shared_tags.slice(0, 2).join(", ")].filter(Boolean).join(" · ");
}

function Facts({ track, found }) {
  const key = found?.key;
  const facts = [
    ["Album", track.album],
    ["Album artist", track.album_artist],
    ["Track", [track.disc_number, track.track_number].filter(Boolean).join(".")],
    ["Year", track.year],
    ["Genre", track.genre],
    ["Label", track.label],
    ["ISRC", track.isrc],
    ["MusicBrainz", track.mbid],
    ["Length", duration(track.duration_s)],
    ["Tempo", found?.tempo_bpm && `${found.tempo_bpm.toFixed(1)} bpm`],
    ["Key", key && `${key.tonic} ${key.mode} (${found.camelot})`],
    ["Loudness", found?.loudness?.integrated_lufs != null && `${found.loudness.integrated_lufs.toFixed(1)} LUFS`],
    ["File", [track.codec, track.bit_rate && `${Math.round(track.bit_rate / 1000)} kbit/s`, track.sample_rate_hz && `${track.sample_rate_hz / 1000} kHz`].filter(Boolean).join(", ")],
    ["Path", track.path],
    ["Added", date(track.added_at)],
    ["Problem", track.problem],
  ];
  return (
    <dl class="facts card">
      {facts
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function Similar({ track }) {
  const state = useLoad((signal) => similar(track.id, signal), [track.id]);
  return (
    <section class="stack">
      <div class="row spread">
        <h2>Sounds like this</h2>
        {state.value?.length > 0 && (
          <button class="button quiet" onClick={() => enqueue(state.value.map((result) => result.track))}>
            <Icon name="queue" size={18} /> Play them later
          </button>
        )}
      </div>
      <Loaded state={state} rows={6}>
        {(results) =>
          results.length ? (
            <NeighbourList results={results} note={({ why }) => reasons(why)} />
          ) : (
            <Empty
              icon="discover"
              heading="Nothing to compare with"
              text="No other track of the library has an embedding. Indexing with embeddings makes them."
            />
          )
        }
      </Loaded>
    </section>
  );
}

const SHORTEST_S = 15; // of a track whose versions can be found

/** Other performances of the piece. They are looked for once the track is analysed. */
function Versions({ track, analyzed }) {
  const isShort = track.duration_s < SHORTEST_S;
  const state = useLoad(
    async (stop) => {
      if (isShort || !analyzed) return isShort ? null : undefined;
      const held = await stats(stop);
      const others = held.analyzed - 1;
      const results = others > 0 ? await versions(track.id, stop) : [];
      return { results, others, missing: held.tracks - held.analyzed };
    },
    [track.id, analyzed],
  );
  return (
    <section class="stack">
      <h2>Other versions of the piece</h2>
      <Loaded state={state} rows={2}>
        {(found) =>
          found?.results.length ? (
            <VersionList results={found.results} of={track} />
          ) : (
            <p class="card dim">{isShort ? `Versions need ${SHORTEST_S} seconds of music.` : <NoVersion {...found} />}</p>
          )
        }
      </Loaded>
    </section>
  );
}

const NoVersion = ({ others, missing }) => (
  <>
    {others > 0
      ? `None found: no other of the ${count(others + 1)} analysed tracks follows the same harmony. `
      : "No other track is analysed yet, so there is nothing to compare with. "}
    {missing > 0 && (
      <>
        {others > 0 && `${counted(missing, "track is", "tracks are")} not analysed yet. `}
        <a href="#/jobs">The job Analyse does that.</a>
      </>
    )}
  </>
);

function PathTo({ track }) {
  const [goal, setGoal] = useState(null);
  const state = useLoad(async (signal) => goal && pathBetween(track.id, goal.id, 8, signal), [track.id, goal?.id]);
  return (
    <section class="stack">
      <h2>{goal ? `From here to “${title(goal)}”` : "A path from here to another track"}</h2>
      <TrackPicker label="Where to?" find={findTracks} onChoose={setGoal} />
      {goal && (
        <Loaded state={{ ...state, value: state.value ?? undefined }} rows={8}>
          {(results) => (
            <>
              <NeighbourList results={results} />
              <div class="row wrap">
                <button class="button primary" onClick={() => play(track, 0, results.map((step) => step.track))}>
                  <Icon name="play" size={16} /> Play the path
                </button>
                <button class="button" onClick={() => offer(results.map((step) => step.track))}>
                  <Icon name="add" size={18} /> Add it to the playlist
                </button>
              </div>
            </>
          )}
        </Loaded>
      )}
    </section>
  );
}

export function TrackView() {
  const id = Number(route.value.rest[0]);
  const from = Number(route.value.query.get("from") ?? 0);
  const state = useLoad((signal) => load(id, signal), [id]);
  return <Loaded state={state}>{({ track }) => <Shown key={track.id} track={track} from={from} />}</Loaded>;
}

function Shown({ track, from }) {
  const points = useWaveform(track);
  const found = useLoad((signal) => analysis(track.id, signal), [track.id]);
  const [picture, setPicture] = useState(false);
  const plays = current.value?.id === track.id;
  const facts = found.value;
  useEffect(() => {
    if (!playing.value) document.title = `${title(track)} · fingerprinter`;
  }, [track.id]);
  return (
    <div class="stack wide">
      <header class="hero" style={tones(track)}>
        <Cover track={track} large />
        <div class="hero-text">
          <p class="kind">Track</p>
          <h1>{title(track)}</h1>
          <p>
            {track.artist ? <a href={link.artist(track.artist)}>{track.artist}</a> : "Unknown artist"}
            {track.album && (
              <>
                <span class="dim"> · </span>
                <a href={link.album({ album: track.album, artist: track.album_artist || track.artist })}>{track.album}</a>
              </>
            )}
          </p>
          <div class="chips">
            <span class="chip number">{time(track.duration_s)}</span>
            {facts?.tempo_bpm && <span class="chip number">{Math.round(facts.tempo_bpm)} bpm</span>}
            {facts?.key && (
              <span class="chip">
                {facts.key.tonic} {facts.key.mode} · {facts.camelot}
              </span>
            )}
            {track.genre && <span class="chip">{track.genre}</span>}
            {(facts?.tags ?? []).slice(0, 5).map((tag) => (
              <span key={tag.name} class="chip" title={percent(tag.probability)}>
                {tag.name}
              </span>
            ))}
            {found.loading && <span class="chip">analysing…</span>}
            {track.problem && <span class="chip warn">{track.problem}</span>}
          </div>
        </div>
      </header>
      <div class="stack">
        <Scrubber track={track} points={points} sections={facts?.sections} />
        <div class="row wrap">
          <button class="button primary" onClick={() => (plays ? toggle() : play(track, from))}>
            <Icon name={plays && playing.value ? "pause" : "play"} size={16} />
            {plays && playing.value ? "Pause" : from && !plays ? `Play from ${time(from)}` : "Play"}
          </button>
          <button class="button" onClick={() => enqueue([track])}>
            <Icon name="queue" size={18} /> Play later
          </button>
          <button class="button" onClick={() => offer([track])}>
            <Icon name="add" size={18} /> Playlist
          </button>
          <a class="button" href={audioAddress(track)} download>
            <Icon name="download" size={18} /> File
          </a>
          <button class="button" onClick={() => setPicture(!picture)} aria-expanded={picture}>
            <Icon name="picture" size={18} /> Spectrogram
          </button>
        </div>
      </div>
      {picture && <img class="picture" src={spectrogramAddress(track)} alt={`Spectrogram of ${title(track)}`} />}
      <div class="two">
        <div class="stack wide">
          <Similar track={track} />
          <Versions track={track} analyzed={!found.loading} />
          <PathTo track={track} />
        </div>
        <Facts track={track} found={facts} />
      </div>
    </div>
  );
}
