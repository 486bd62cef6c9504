// Long work: what runs, how fast, how long it still takes, and what failed.
import { useEffect, useRef, useState } from "preact/hooks";
import { cancelJob, followJob, jobs, startJob, stats } from "../api.js";
import { compact, count, counted, date, duration } from "../format.js";
import { useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Empty, Failure, Loaded } from "../parts.jsx";

const KINDS = { index: "Index", analyze: "Analyse", duplicates: "Duplicates", map: "Map" };
const ICONS = { index: "folder", analyze: "identify", duplicates: "duplicates", map: "map" };
/** The jobs that need no more than a press: [kind, what they do]. */
const SIMPLE = [
  ["analyze", "Tempo, key and sections of every track"],
  ["duplicates", "Every recording that is there twice"],
  ["map", "A place on the map for every track"],
];
const OVER = new Set(["done", "failed", "cancelled"]);

/** Follows one job: [job or null, follow(job)]; `onEnd` is called when it is over. */
export function useJob(onEnd) {
  const [job, setJob] = useState(null);
  const stop = useRef(() => {});
  useEffect(() => () => stop.current(), []);
  const follow = (first) => {
    setJob(first);
    stop.current = followJob(first.id, (latest) => {
      const over = OVER.has(latest.state);
      setJob(over ? null : latest);
      if (over) onEnd(latest);
    });
  };
  return [job, follow];
}

export function Progress({ job }) {
  const { done, total, elapsed_s: elapsed, audio_s: audio } = job.progress;
  const left = done && total ? (elapsed / done) * (total - done) : null;
  return (
    <>
      <div class={`progress ${total ? "" : "unknown"}`} role="progressbar" aria-label={KINDS[job.kind]} aria-valuenow={total ? done : undefined} aria-valuemax={total || undefined}>
        <div style={{ width: total ? `${(100 * done) / total}%` : undefined }} />
      </div>
      <p class="small dim number">
        {total ? `${count(done)} of ${count(total)}` : job.state === "queued" ? "Waiting for its turn" : "Starting"}
        {audio && elapsed > 1 ? ` · ${count(Math.round(audio / elapsed))} times real time` : ""}
        {left != null && elapsed > 2 ? ` · ${duration(left)} left` : ""}
      </p>
    </>
  );
}

function Report({ job }) {
  if (job.error) return <p style={{ color: "var(--warn)" }}>{job.error}</p>;
  const report = job.report ?? {};
  const numbers = ["indexed", "updated", "skipped", "failed", "removed", "analyzed", "groups", "tracks"]
    .filter((name) => Number.isFinite(report[name]) && report[name])
    .map((name) => `${count(report[name])} ${name}`);
  const problems = report.problems ?? [];
  return (
    <>
      {numbers.length > 0 && <p class="small dim">{numbers.join(", ")}</p>}
      {problems.length > 0 && (
        <details>
          <summary class="small" style={{ color: "var(--warn)" }}>
            {counted(problems.length, "problem")}
          </summary>
          <ul class="plain small" style={{ marginTop: "8px", overflowWrap: "anywhere" }}>
            {problems.map(({ path, message }) => (
              <li key={`${path} ${message}`}>
                {path}: <span class="dim">{message}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function Job({ job, onCancel }) {
  const over = OVER.has(job.state);
  const tone = { done: "good", failed: "warn" }[job.state] ?? "";
  return (
    <li class="card stack" style={{ gap: "10px" }}>
      <div class="row spread wrap">
        <div class="row">
          <Icon name={ICONS[job.kind] ?? "jobs"} />
          <h2>{KINDS[job.kind] ?? job.kind}</h2>
          <span class={`chip ${tone}`}>{job.state}</span>
        </div>
        <div class="row">
          <span class="small dim">{date(job.created_at)}</span>
          {!over && (
            <button class="button quiet" onClick={() => onCancel(job)}>
              Cancel
            </button>
          )}
        </div>
      </div>
      {job.options?.paths && <p class="small dim" style={{ overflowWrap: "anywhere" }}>{job.options.paths.join(", ")}</p>}
      {over ? <Report job={job} /> : <Progress job={job} />}
    </li>
  );
}

function Numbers() {
  const state = useLoad((signal) => stats(signal), []);
  return (
    <Loaded state={state}>
      {(known) => (
        <div class="tiles numbers">
          {[
            [count(known.tracks), "tracks"],
            [duration(known.audio_s), "of music"],
            [count(known.embeddings), "with embeddings"],
            [compact(known.landmarks), "landmarks"],
          ].map(([number, label]) => (
            <div key={label} class="card">
              <div class="big-number number">{number}</div>
              <div class="dim small">{label}</div>
            </div>
          ))}
        </div>
      )}
    </Loaded>
  );
}

export function Jobs() {
  const [list, setList] = useState(null);
  const [problem, setProblem] = useState(null);
  const [folder, setFolder] = useState("");
  const streams = useRef(new Map());
  const put = (job) => {
    setList((before) => [job, ...(before ?? []).filter(({ id }) => id !== job.id)].sort((a, b) => b.id - a.id));
    if (OVER.has(job.state)) {
      streams.current.get(job.id)?.();
      streams.current.delete(job.id);
    } else if (!streams.current.has(job.id)) streams.current.set(job.id, followJob(job.id, put));
  };
  useEffect(() => {
    jobs().then((all) => {
      setList([]);
      all.forEach(put);
    }, setProblem);
    return () => streams.current.forEach((stop) => stop());
  }, []);
  const start = (kind, options) => startJob(kind, options).then(put, setProblem);
  return (
    <div class="stack">
      <div class="head">
        <h1>Jobs</h1>
      </div>
      <Numbers />
      <form
        class="row together"
        onSubmit={(event) => {
          event.preventDefault();
          setProblem(null);
          start("index", { paths: [folder.trim()] });
        }}
      >
        <label class="field grow">
          <Icon name="folder" size={18} />
          <span class="hidden-label">Folder on the server</span>
          <input placeholder="A folder on the server, for example /music" value={folder} onInput={(event) => setFolder(event.target.value)} />
        </label>
        <button class="button primary" disabled={!folder.trim()}>
          Index
        </button>
      </form>
      <div class="tiles">
        {SIMPLE.map(([kind, text]) => (
          <button key={kind} class="card action" onClick={() => start(kind)}>
            <Icon name={ICONS[kind]} />
            <span class="lines">
              <span class="strong">{KINDS[kind]}</span>
              <span class="small dim">{text}</span>
            </span>
          </button>
        ))}
      </div>
      {problem && <Failure error={problem} />}
      {list && !list.length && (
        <Empty icon="jobs" heading="Nothing runs" text="Jobs work in the background. You can go on listening, and even close the page." />
      )}
      <ul class="plain stack">
        {(list ?? []).map((job) => (
          <Job key={job.id} job={job} onCancel={(one) => cancelJob(one.id).then(put, setProblem)} />
        ))}
      </ul>
    </div>
  );
}
