// Radio stations and other streams that the server listens to: what plays, and what was heard.
import { useEffect, useState } from "preact/hooks";
import { addMonitor, followMonitor, monitorLog, monitors, removeMonitor } from "../api.js";
import { clock, duration, percent, title } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Empty, Failure, Loaded } from "../parts.jsx";
import { play } from "../player.js";
import { link } from "../router.js";

const STATES = {
  connecting: "connecting",
  listening: "on air",
  waiting: "waiting to connect again",
  ended: "ended",
  failed: "failed",
};

/** One line of the log: a recording, a stretch that nobody knows, or a gap of the stream. */
function Line({ event }) {
  const { match } = event;
  const length = event.ended_at && (new Date(event.ended_at) - new Date(event.started_at)) / 1000;
  return (
    <li class="log-line">
      <span class="number small dim">{clock(event.started_at)}</span>
      {match ? (
        <a class="ellipsis" href={link.track(match.track)}>
          {title(match.track)} <span class="dim small">{match.track.artist}</span>
        </a>
      ) : (
        <span class="dim ellipsis">
          {event.type === "gap" ? "no signal" : "unknown"}
          {event.heard_before > 0 && `, heard ${event.heard_before + 1} times`}
        </span>
      )}
      <span class="small dim ellipsis">{event.claimed && `station says: ${event.claimed}`}</span>
      <span class="number small dim">{length ? duration(length) : "now"}</span>
    </li>
  );
}

function Station({ first, onRemove }) {
  const [monitor, setMonitor] = useState(first);
  const [open, setOpen] = useState(false);
  const [log, setLog] = useState([]);
  useEffect(() => followMonitor(first.id, setMonitor), [first.id]);
  useEffect(() => {
    if (open) monitorLog(first.id).then(setLog, () => {});
  }, [open, monitor.events]);
  const now = monitor.now?.match;
  return (
    <li class="card stack" style={{ gap: "12px" }}>
      <div class="row spread wrap">
        <div class="grow lines">
          <h2 class="ellipsis">{monitor.name}</h2>
          <p class="small dim ellipsis">{monitor.source}</p>
        </div>
        <span class={`chip ${monitor.state === "listening" ? "live" : ""} ${{ listening: "good", failed: "warn", waiting: "warn" }[monitor.state] ?? ""}`}>
          {STATES[monitor.state] ?? monitor.state}
        </span>
      </div>
      <div class="row">
        {now ? (
          <>
            <Cover track={now.track} style={{ width: "56px", height: "56px" }} />
            <div class="grow lines">
              <a class="ellipsis strong" href={link.track(now.track)}>
                {title(now.track)}
              </a>
              <div class="small dim ellipsis">
                {now.track.artist ?? "Unknown artist"} · since {clock(monitor.now.started_at)} · {percent(now.confidence)} sure
              </div>
            </div>
            <button class="button quiet round" onClick={() => play(now.track)} aria-label={`Play ${title(now.track)}`}>
              <Icon name="play" size={18} />
            </button>
          </>
        ) : (
          <p class="dim">{monitor.problem ?? "Nothing that is in the library plays."}</p>
        )}
      </div>
      {monitor.claimed && <p class="small dim ellipsis">The station says: {monitor.claimed}</p>}
      <div class="row wrap">
        <button class="button quiet" onClick={() => setOpen(!open)} aria-expanded={open}>
          {open ? "Hide the log" : "Show the log"}
        </button>
        <button class="button quiet" onClick={() => onRemove(monitor)}>
          Stop listening
        </button>
        <span class="small dim number">{duration(monitor.heard_s)} heard</span>
      </div>
      {open && (
        <ul class="plain">
          {log.map((event) => (
            <Line key={`${event.started_at}-${event.type}`} event={event} />
          ))}
          {!log.length && <li class="small dim">Nothing was heard yet.</li>}
        </ul>
      )}
    </li>
  );
}

export function Stations() {
  const state = useLoad((stop) => monitors(stop), []);
  const [source, setSource] = useState("");
  const [name, setName] = useState("");
  const [problem, setProblem] = useState(null);
  const add = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      await addMonitor(source.trim(), name.trim());
      setSource("");
      setName("");
      state.again();
    } catch (error) {
      setProblem(error);
    }
  };
  const remove = ({ id }) => removeMonitor(id).then(state.again, setProblem);
  return (
    <div class="stack">
      <div class="head">
        <div class="lines">
          <h1>Stations</h1>
          <p class="dim small">The server listens to streams and logs what of your library they play.</p>
        </div>
      </div>
      <form class="row wrap together" onSubmit={add}>
        <label class="field grow">
          <Icon name="stations" size={18} />
          <span class="hidden-label">Address of the stream</span>
          <input
            inputMode="url"
            placeholder="https://… an Icecast or HLS address"
            value={source}
            onInput={(event) => setSource(event.target.value)}
          />
        </label>
        <label class="field name">
          <span class="hidden-label">Name of the station</span>
          <input placeholder="Name" value={name} onInput={(event) => setName(event.target.value)} />
        </label>
        <button class="button primary" disabled={!source.trim()}>
          Listen
        </button>
      </form>
      {problem && <Failure error={problem} />}
      <Loaded state={state}>
        {(list) =>
          list.length ? (
            <ul class="plain stack">
              {list.map((monitor) => (
                <Station key={monitor.id} first={monitor} onRemove={remove} />
              ))}
            </ul>
          ) : (
            <Empty
              icon="stations"
              heading="No station yet"
              text="Give the address of a stream, and see what it plays, when it began, and for how long."
            />
          )
        }
      </Loaded>
    </div>
  );
}
