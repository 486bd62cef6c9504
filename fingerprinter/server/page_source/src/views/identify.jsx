// Names what plays: from the microphone or a file.
import { effect, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { explanationAddress, identify, identifyAll, nearest, stats, versionsOfClip } from "../api.js";
import { change, counted, date, duration, percent, time, title } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Failure, NeighbourList, VersionList, WaitingRows, tones } from "../parts.jsx";
import { play } from "../player.js";
import { useWaveform } from "../playerbar.jsx";
import { Recorder, allowed } from "../recorder.js";
import { Ring } from "../ring.jsx";
import { link } from "../router.js";
import { Waveform } from "../waveform.jsx";

const ASK_AT_S = [3, 6, 10]; // the microphone asks each time, until an answer is sure
const SURE = 0.99;
const LONG_S = 120; // a longer file may hold many recordings
const LONG_BYTES = 8e6; // so may a larger one, if the browser cannot tell its length

const MOST_NAMED = 12;
const LEVELS = 40; // loudnesses that the ring shows
const LEVEL_S = 0.05; // sound in each of them

/** What was named lately in this browser, the newest first: {track, from, when}. */
const named = signal(JSON.parse(localStorage.getItem("named") ?? "[]"));
effect(() => localStorage.setItem("named", JSON.stringify(named.value)));

function remember({ matches }) {
  if (!matches.length) return;
  const [{ track }, [from]] = [matches[0], partOfTrack(matches[0])];
  const others = named.value.filter((each) => each.track.id !== track.id);
  named.value = [{ track, from, when: new Date().toISOString() }, ...others].slice(0, MOST_NAMED);
}

/** Whether a file is so long that all its recordings are asked for. */
function isLong(file) {
  const address = URL.createObjectURL(file);
  return new Promise((resolve) => {
    const audio = new Audio();
    const end = () => {
      URL.revokeObjectURL(address);
      resolve(Number.isFinite(audio.duration) ? audio.duration > LONG_S : file.size > LONG_BYTES);
    };
    audio.preload = "metadata";
    audio.onloadedmetadata = audio.onerror = end;
    audio.src = address;
  });
}

/** The part of the track that the clip holds: [from, to] in seconds. */
const partOfTrack = ({ track, offset_s, clip_start_s, clip_end_s, tempo }) => [
  Math.max(0, offset_s + clip_start_s * tempo),
  Math.min(track.duration_s, offset_s + clip_end_s * tempo),
];

function Answer({ match, clip }) {
  const { track } = match;
  const points = useWaveform(track);
  const [picture, setPicture] = useState(null);
  const [from, to] = partOfTrack(match);
  const changed = change(match);
  const explain = async () => setPicture(picture ? null : await explanationAddress(clip));
  useEffect(() => () => picture && URL.revokeObjectURL(picture), [picture]);
  return (
    <article class="card stack named" style={tones(track)}>
      <div class="answer">
        <Cover track={track} large />
        <div class="stack" style={{ gap: "14px" }}>
          <div>
            <h2>
              <a href={link.track(track)}>{title(track)}</a>
            </h2>
            <p class="dim">
              {track.artist ?? "Unknown artist"}
              {track.album && ` · ${track.album}`}
              {track.year && ` · ${track.year}`}
            </p>
          </div>
          <div class="chips">
            <span class="chip good">
              <Icon name="check" size={14} /> {percent(match.confidence)} sure
            </span>
            <span class="chip number">
              {time(from)} to {time(to)} of {time(track.duration_s)}
            </span>
            {changed && <span class="chip">{changed}</span>}
          </div>
          <Waveform
            points={points}
            duration={track.duration_s}
            position={-1}
            region={[from, to]}
            onSeek={(second) => play(track, second)}
            label={`Matched part of ${title(track)}`}
          />
          <div class="row wrap">
            <button class="button primary" onClick={() => play(track, from)}>
              <Icon name="play" size={16} /> Play from {time(from)}
            </button>
            <button class="button" onClick={explain} aria-expanded={Boolean(picture)}>
              Why this answer
            </button>
            <a class="button" href={link.track(track)}>
              Open the track
            </a>
          </div>
        </div>
      </div>
      {picture && (
        <img
          class="picture"
          src={picture}
          alt={`Spectrogram of the clip above the matched part of ${title(track)}, with the landmarks that agree`}
        />
      )}
    </article>
  );
}

function MixRow({ match }) {
  const { track } = match;
  const [from, to] = partOfTrack(match);
  const changed = change(match);
  return (
    <li class="mix-row">
      <span class="number small dim">
        {time(match.clip_start_s)} to {time(match.clip_end_s)}
      </span>
      <Cover track={track} />
      <div class="lines">
        <a class="ellipsis strong" href={link.track(track)}>
          {title(track)}
        </a>
        <div class="small dim ellipsis">{[track.artist ?? "Unknown artist", track.album].filter(Boolean).join(" · ")}</div>
      </div>
      <span class="number small dim where">
        {time(from)} to {time(to)} of {time(track.duration_s)}
        {changed && `, ${changed}`}, {percent(match.confidence)} sure
      </span>
      <button class="button quiet" onClick={() => play(track, from)} aria-label={`Play ${title(track)} from ${time(from)}`}>
        <Icon name="play" size={16} /> {time(from)}
      </button>
    </li>
  );
}

/** The recordings of a long file in their order. */
function MixList({ found }) {
  const { matches } = found;
  return (
    <section class="stack" aria-label="Track list">
      <div class="row spread wrap">
        <h2>
          {counted(matches.length, "recording")} in {found.clip}
        </h2>
        {matches.length > 0 && (
          <button class="button" onClick={() => play(matches[0].track, 0, matches.map(({ track }) => track))}>
            <Icon name="play" size={16} /> Play the whole tracks
          </button>
        )}
      </div>
      {matches.length > 0 ? (
        <ol class="plain tracks">
          {matches.map((match) => (
            <MixRow key={`${match.track.id}-${match.clip_start_s}`} match={match} />
          ))}
        </ol>
      ) : (
        <p class="card dim">None of its recordings is in your library, or too little of them can be heard.</p>
      )}
      {found.problem && <p class="small dim">{found.problem}</p>}
    </section>
  );
}

function NoAnswer({ clip }) {
  const [found, setFound] = useState(null);
  const [versions, setVersions] = useState([]);
  useEffect(() => {
    nearest(clip).then(setFound, () => setFound([]));
    versionsOfClip(clip).then(setVersions, () => {}); // refused if it is short, or if nothing is analysed
  }, [clip]);
  return (
    <div class="stack">
      <div class="card">
        <h2>No match</h2>
        <p class="dim">This recording is not in your library, or too little of it can be heard.</p>
      </div>
      {versions.length > 0 && (
        <>
          <h2>The same piece in another recording</h2>
          <VersionList results={versions} />
        </>
      )}
      {!found && <WaitingRows />}
      {found?.length > 0 && (
        <>
          <h2>These tracks sound most like it</h2>
          <NeighbourList results={found} />
        </>
      )}
    </div>
  );
}

/** The microphone: {state, levels, seconds, start, stop}; asks the server as the recording grows. */
function useMicrophone(onAnswer, onProblem) {
  const [state, setState] = useState("idle");
  const [seconds, setSeconds] = useState(0);
  const recorder = useRef(null);
  const levels = useRef([]);
  const stop = () => {
    recorder.current?.stop();
    recorder.current = null;
    setState("idle");
  };
  const ask = async (mine, last) => {
    const clip = mine.wav();
    const answer = await identify(clip, "Microphone");
    if (recorder.current !== mine) return;
    const sure = answer.matches[0]?.confidence >= SURE;
    if (sure || last) {
      stop();
      onAnswer(answer, clip);
    }
  };
  const start = async () => {
    const mine = new Recorder();
    recorder.current = mine;
    let [next, shown, loudest] = [0, 0, 0];
    levels.current = [];
    try {
      await mine.start((level) => {
        loudest = Math.max(loudest, level);
        if (mine.seconds - shown >= LEVEL_S) {
          levels.current = [...levels.current, Math.sqrt(loudest)].slice(-LEVELS);
          [shown, loudest] = [mine.seconds, 0];
        }
        setSeconds(Math.floor(mine.seconds));
        if (recorder.current !== mine || mine.seconds < ASK_AT_S[next]) return;
        next += 1;
        ask(mine, next === ASK_AT_S.length).catch((error) => {
          stop();
          onProblem(error);
        });
      });
      setSeconds(0);
      setState("listening");
    } catch (error) {
      recorder.current = null;
      onProblem(
        new Error(
          error.name === "NotAllowedError"
            ? "The browser may not use the microphone. Allow it beside the address of the page."
            : `The microphone cannot be used: ${error.message}`,
        ),
      );
    }
  };
  useEffect(() => stop, []);
  return { state, seconds, levels, start, stop };
}

/** What the library can name; the way to the first folder if it holds nothing. */
function Known() {
  const state = useLoad((stop) => stats(stop), []);
  if (!state.value) return <p class="dim known">&nbsp;</p>;
  const { tracks, audio_s: seconds } = state.value;
  return (
    <p class="dim known">
      {tracks ? (
        `Three seconds are enough. ${counted(tracks, "track")}, ${duration(seconds)} of music, can be named.`
      ) : (
        <>
          Your library is empty: nothing can be named yet. <a href="#/jobs">Index a folder of music</a>
        </>
      )}
    </p>
  );
}

const Named = () =>
  named.value.length > 0 && (
    <section class="stack" aria-label="Named lately">
      <div class="row spread">
        <h2>Named lately</h2>
        <button class="button quiet" onClick={() => (named.value = [])}>
          Clear
        </button>
      </div>
      <ul class="plain shelf">
        {named.value.map(({ track, from, when }) => (
          <li key={track.id} class="tile">
            <Cover track={track} large onClick={() => play(track, from)} aria-label={`Play ${title(track)} from ${time(from)}`}>
              <span class="over">
                <Icon name="play" size={26} />
              </span>
            </Cover>
            <a class="ellipsis strong" href={link.track(track)}>
              {title(track)}
            </a>
            <div class="ellipsis small dim">{track.artist ?? "Unknown artist"}</div>
            <div class="small dim">{date(when)}</div>
          </li>
        ))}
      </ul>
    </section>
  );

/** Takes a file that is dropped anywhere on the page: [whether one is above it]. */
function useDrop(onFile) {
  const [over, setOver] = useState(false);
  const latest = useRef();
  latest.current = onFile;
  useEffect(() => {
    const handlers = {
      dragover: (event) => {
        event.preventDefault();
        setOver(event.dataTransfer.types.includes("Files"));
      },
      dragleave: (event) => event.relatedTarget || setOver(false),
      drop: (event) => {
        event.preventDefault();
        setOver(false);
        if (event.dataTransfer.files[0]) latest.current(event.dataTransfer.files[0]);
      },
    };
    for (const [name, handle] of Object.entries(handlers)) addEventListener(name, handle);
    return () => Object.entries(handlers).forEach(([name, handle]) => removeEventListener(name, handle));
  }, []);
  return over;
}

export function Identify() {
  const [answer, setAnswer] = useState(null); // {found, clip, long}
  const [busy, setBusy] = useState(null);
  const [problem, setProblem] = useState(null);
  const chooser = useRef();
  const clear = () => {
    setAnswer(null);
    setProblem(null);
  };
  const fail = (error) => {
    setBusy(null);
    setProblem(error);
  };
  const show = (next) => {
    if (!next.long) remember(next.found);
    setAnswer(next);
  };
  const microphone = useMicrophone((found, clip) => show({ found, clip }), fail);
  const send = async (file) => {
    clear();
    setBusy(file.name);
    try {
      const long = await isLong(file);
      show({ found: await (long ? identifyAll : identify)(file, file.name), clip: file, long });
      setBusy(null);
    } catch (error) {
      fail(error);
    }
  };
  const over = useDrop(send);
  const listening = microphone.state === "listening";
  return (
    <div class="stack">
      <section class={`ask ${answer ? "compact" : ""} ${listening ? "listening" : ""}`}>
        <h1>{listening ? "Listening…" : "What is playing?"}</h1>
        <div class="listen-frame">
          {listening && <Ring levels={microphone.levels} />}
          <button
            class="listen"
            disabled={!allowed() || Boolean(busy)}
            onClick={() => {
              clear();
              if (listening) microphone.stop();
              else microphone.start();
            }}
            aria-label={listening ? "Stop listening" : "Listen with the microphone"}
          >
            {listening ? <span class="big-number number">{microphone.seconds} s</span> : <Icon name="identify" size={64} />}
          </button>
        </div>
        {listening ? <p class="dim known">Hold the device near the music. A press ends it.</p> : !answer && <Known />}
        {!allowed() && (
          <p class="dim small">Browsers give the microphone to pages on https and on localhost only. Files work here, too.</p>
        )}
        <div class={`drop ${busy ? "busy" : ""}`}>
          {busy ? (
            <span class="row centre" role="status">
              <span class="spinner" /> <span class="ellipsis">Looking for {busy}</span>
            </span>
          ) : (
            <>
              <button class="button" onClick={() => chooser.current.click()}>
                <Icon name="file" size={18} /> Choose a file
              </button>
              <span class="small fine-pointer">or drop one anywhere: audio, video, or a whole mix</span>
            </>
          )}
          <input
            ref={chooser}
            type="file"
            accept="audio/*,video/*"
            hidden
            onChange={(event) => {
              if (event.target.files[0]) send(event.target.files[0]);
              event.target.value = ""; // so that the same file can be chosen again
            }}
          />
        </div>
      </section>
      <div aria-live="polite" class="stack">
        {problem && <Failure error={problem} />}
        {answer?.long && <MixList found={answer.found} />}
        {answer &&
          !answer.long &&
          answer.found.matches.map((match) => <Answer key={match.track.id} match={match} clip={answer.clip} />)}
        {answer && !answer.long && !answer.found.matches.length && <NoAnswer clip={answer.clip} />}
        {answer && (
          <p class="dim small number">
            {duration(answer.found.duration_s)} of sound, answered in {Math.round(1000 * answer.found.elapsed_s)} ms.
          </p>
        )}
      </div>
      {!listening && <Named />}
      {over && (
        <div class="drop-over">
          <Icon name="identify" size={40} />
          Drop it to find out what it is
        </div>
      )}
    </div>
  );
}
