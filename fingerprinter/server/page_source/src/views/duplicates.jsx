// Copies of the same recording side by side, with the evidence and the better copy.
import { duplicates, startJob } from "../api.js";
import { counted, percent, time, title } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Empty, Loaded } from "../parts.jsx";
import { play } from "../player.js";
import { link } from "../router.js";
import { Progress, useJob } from "./jobs.jsx";

function Copy({ track, best }) {
  return (
    <div class={`copy stack ${best ? "better" : ""}`} style={{ gap: "10px" }}>
      <div class="row">
        <Cover track={track} style={{ width: "52px", height: "52px" }} />
        <div class="grow lines">
          <a class="ellipsis strong" href={link.track(track)}>
            {title(track)}
          </a>
          <div class="small dim ellipsis">{[track.artist, track.album].filter(Boolean).join(" · ") || "Untagged"}</div>
        </div>
        <button class="button quiet round" onClick={() => play(track)} aria-label={`Play ${title(track)}`}>
          <Icon name="play" size={18} />
        </button>
      </div>
      <div class="chips">
        {best && (
          <span class="chip good">
            <Icon name="check" size={14} /> the better copy: {best}
          </span>
        )}
        <span class="chip number">{time(track.duration_s)}</span>
        {track.codec && <span class="chip">{track.codec}</span>}
        {track.bit_rate && <span class="chip number">{Math.round(track.bit_rate / 1000)} kbit/s</span>}
        {track.problem && <span class="chip warn">{track.problem}</span>}
      </div>
      {track.path && <div class="small dim" style={{ overflowWrap: "anywhere" }}>{track.path}</div>}
    </div>
  );
}

const KINDS = { same: "the same recording", part: "one is part of the other" };

/** One track and all of its files. */
const Exact = ({ tracks }) => (
  <li class="card stack" style={{ gap: "12px" }}>
    <div class="row spread wrap">
      <h2>{title(tracks[0])}</h2>
      <span class="chip">{tracks.length} exact copies</span>
    </div>
    <Copy track={{ ...tracks[0], path: null }} />
    <ul class="plain small dim" style={{ overflowWrap: "anywhere" }}>
      {tracks.map(({ path }) => path && <li key={path}>{path}</li>)}
    </ul>
  </li>
);

function Group({ group }) {
  if (group.kind === "exact") return <Exact tracks={group.tracks} />;
  const names = new Map(group.tracks.map((track) => [track.id, title(track)]));
  return (
    <li class="card stack" style={{ gap: "12px" }}>
      <div class="row spread wrap">
        <h2>{title(group.tracks[0])}</h2>
        <span class="chip">{KINDS[group.kind]}</span>
      </div>
      <div class="side-by-side">
        {group.tracks.map((track) => (
          <Copy key={track.id} track={track} best={track.id === group.better && group.reason} />
        ))}
      </div>
      <details>
        <summary class="small dim">{counted(group.evidence.length, "passage")} in common</summary>
        <ul class="plain small number" style={{ marginTop: "8px" }}>
          {group.evidence.map((each) => (
            <li key={`${each.a}-${each.b}-${each.start_s}`}>
              {time(each.start_s)} to {time(each.start_s + each.overlap_s)} of “{names.get(each.a)}” is “{names.get(each.b)}” from{" "}
              {time(Math.max(0, (each.start_s - each.offset_s) / (each.speed ?? 1)))}, {percent(each.confidence)} sure
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

export function Duplicates() {
  const state = useLoad((signal) => duplicates(signal), []);
  const [job, follow] = useJob(state.again);
  const look = async () => follow(await startJob("duplicates"));
  return (
    <div class="stack">
      <div class="head">
        <div class="lines">
          <h1>Duplicates</h1>
          <p class="dim small">Exact copies of a file; other encodings, trims and edits. Nothing is ever deleted here.</p>
        </div>
        {(state.value?.revision != null || state.value?.groups.length > 0) && (
          <button class="button" onClick={look} disabled={Boolean(job)}>
            {job ? "Looking…" : state.value.revision == null ? "Look for duplicates" : "Look again"}
          </button>
        )}
      </div>
      {job && (
        <div class="card">
          <Progress job={job} />
        </div>
      )}
      <Loaded state={state}>
        {({ groups, revision, current }) =>
          groups.length ? (
            <>
              <p class="dim small">
                {counted(groups.length, "group")}
                {revision == null
                  ? " of exact copies. Other copies are found by their sound, in a search."
                  : !current && ". The library has changed since this search."}
              </p>
              <ul class="plain stack">
                {groups.map((group) => (
                  <Group key={[group.kind, ...group.tracks.map(({ id }) => id)].join()} group={group} />
                ))}
              </ul>
            </>
          ) : (
            !job &&
            (revision == null ? (
              <Empty
                icon="duplicates"
                heading="Find the same recording twice"
                text="Every track is compared with every other by its sound. Names, formats and tags do not matter."
              >
                <button class="button primary" onClick={look}>
                  Look for duplicates
                </button>
              </Empty>
            ) : (
              <Empty icon="check" heading="Each recording is there once" text="The library holds no two copies of one recording." />
            ))
          )
        }
      </Loaded>
    </div>
  );
}
