// The map: every track a dot, near what sounds like it. A click plays, a lasso makes a playlist.
import { select } from "d3-selection";
import { zoom as makeZoom, zoomIdentity } from "d3-zoom";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { map as load, track as loadTrack, tracks } from "../api.js";
import { Nearby, paint, rgb, within } from "../dots.js";
import { count, counted, title } from "../format.js";
import { useLater, useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Cover, Empty, Loaded } from "../parts.jsx";
import { current, enqueue, play } from "../player.js";
import { offer } from "../playlist.js";
import { go, link } from "../router.js";

const REACH = 14; // pixels from the pointer within which a dot is meant
const LEAST_ZOOM = 0.8;
const MOST_ZOOM = 80;
const LINE_STEP = 4; // pixels between two points of a lasso
const MOST_CHOSEN = 200; // tracks of a lasso that become a playlist
const MOST_LIT = 1000; // tracks of a search
const LEGEND = 12; // clusters that it names
const AUDITION_MS = 400; // the pointer rests so long before it is heard
const AUDITION_FROM = 0.35; // of the track
const GREY = [138, 148, 160];

const names = new Map(); // the map's columns have no names: a track is asked for when it is pointed at

/** The track of a dot. */
function named(id) {
  if (!names.has(id)) names.set(id, loadTrack(id).then(({ track }) => track));
  return names.get(id);
}

const clusterColour = (cluster) => (cluster < 0 ? GREY : rgb((cluster * 137.5 + 25) % 360, 0.66, 0.6));

/** Blue for the low end over green to red for the high end. */
const scaleColour = (share) => (Number.isFinite(share) ? rgb(Math.round(220 - 220 * share), 0.68, 0.58) : GREY);

/** Three bytes for each dot, and the legend: [{tone, label, cluster}]. */
function colours({ ids, cluster, clusters, ...columns }, by) {
  const bytes = new Uint8ClampedArray(3 * ids.length);
  if (by === "cluster") {
    cluster.forEach((each, k) => bytes.set(clusterColour(each), 3 * k));
    const legend = clusters.slice(0, LEGEND).map(({ id, name }) => ({ tone: clusterColour(id), label: name, cluster: id }));
    return { bytes, legend };
  }
  const known = Float64Array.from(columns[by].filter((value) => value != null)).sort();
  const low = known[Math.floor(known.length * 0.02)];
  const high = known[Math.floor((known.length - 1) * 0.98)];
  const share = (value) => (value == null ? NaN : Math.max(0, Math.min(1, (value - low) / (high - low || 1))));
  columns[by].forEach((value, k) => bytes.set(scaleColour(share(value)), 3 * k));
  const steps = known.length ? [0, 0.25, 0.5, 0.75, 1] : [];
  const legend = steps.map((step) => ({ tone: scaleColour(step), label: Math.round(low + step * (high - low)) }));
  return { bytes, legend: [...legend, ...(known.length < ids.length ? [{ tone: GREY, label: "not known" }] : [])] };
}

/** The middle of some values, and half of their range. */
function middleAndReach(values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return { middle: (low + high) / 2, reach: (high - low) / 2 || 1 };
}

/** Where the dots stand before any zoom, in pixels. */
function placed({ x, y }, [width, height]) {
  const [across, up] = [middleAndReach(x), middleAndReach(y)];
  const scale = 0.46 * Math.min(width / across.reach, height / up.reach);
  return {
    xs: Float32Array.from(x, (each) => width / 2 + (each - across.middle) * scale),
    ys: Float32Array.from(y, (each) => height / 2 - (each - up.middle) * scale),
  };
}

/** At most so many of some values, spread evenly. */
const sampled = (values, most) =>
  Array.from({ length: Math.min(most, values.length) }, (_, k) => values[Math.floor((k * values.length) / Math.min(most, values.length))]);

/** Red, green and blue of a colour of the sheet. */
function groundOf(element) {
  const hex = getComputedStyle(element).getPropertyValue("--surface").trim();
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/**
 * @param columns  the map as the server sends it
 * @param bytes    the colours of the dots
 * @param lit      the indices of the dots that stand out, or null
 * @param onLasso  called with the indices of the dots in a lasso
 */
function Canvas({ columns, bytes, lit, lassoing, auditioning, onLasso }) {
  const canvas = useRef();
  const marks = useRef();
  const behaviour = useRef();
  const view = useRef(zoomIdentity);
  const line = useRef([]);
  const hadLasso = useRef(false); // a click follows at its end, and means nothing
  const frame = useRef(0);
  const [size, setSize] = useState([0, 0]);
  const [hover, setHover] = useState(-1);
  const [name, setName] = useState(null);
  const { ids } = columns;
  const { xs, ys } = useMemo(() => placed(columns, size), [columns, size]);
  const nearby = useMemo(() => new Nearby(xs, ys, ...size, REACH / LEAST_ZOOM), [xs, ys]);
  const all = useMemo(() => Uint32Array.from(ids, (_, k) => k), [ids]);
  const playing = useMemo(() => ids.indexOf(current.value?.id), [ids, current.value?.id]);
  const radius = () => Math.max(1.1, Math.min(6.5, 56 / Math.sqrt(ids.length))) * Math.min(5, Math.sqrt(view.current.k));

  useEffect(() => {
    const observer = new ResizeObserver(([{ contentRect }]) => setSize([contentRect.width, contentRect.height]));
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);

  const drawMarks = () => {
    const scale = devicePixelRatio || 1;
    const pen = marks.current.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, ...size);
    const style = getComputedStyle(canvas.current);
    const ring = (k, tone) => {
      const [x, y] = view.current.apply([xs[k], ys[k]]);
      pen.strokeStyle = style.getPropertyValue(tone);
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.arc(x, y, radius() + 4, 0, 7);
      pen.stroke();
    };
    if (playing >= 0) ring(playing, "--accent");
    if (hover >= 0) ring(hover, "--text");
    if (line.current.length > 1) {
      pen.strokeStyle = style.getPropertyValue("--accent");
      pen.fillStyle = `color-mix(in srgb, ${style.getPropertyValue("--accent")} 12%, transparent)`;
      pen.lineWidth = 2;
      pen.beginPath();
      line.current.forEach(([x, y]) => pen.lineTo(x, y));
      pen.fill();
      pen.stroke();
    }
  };
  const draw = useRef();
  draw.current = () => {
    const scale = devicePixelRatio || 1;
    const { k, x, y } = view.current;
    const zoom = { k: k * scale, x: x * scale, y: y * scale };
    paint(canvas.current, { xs, ys, colours: bytes, all, lit }, zoom, radius() * scale, groundOf(canvas.current));
    drawMarks();
  };
  const drawSoon = () => {
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      draw.current();
    });
  };
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  useEffect(() => {
    if (!size[0]) return;
    for (const each of [canvas.current, marks.current]) {
      each.width = size[0] * (devicePixelRatio || 1);
      each.height = size[1] * (devicePixelRatio || 1);
    }
    drawSoon();
  }, [size]);
  useEffect(() => void (size[0] && drawSoon()), [xs, bytes, lit]);
  useEffect(() => drawMarks(), [hover, playing]);
  useEffect(() => {
    const observer = new MutationObserver(drawSoon); // another theme
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    behaviour.current = makeZoom()
      .scaleExtent([LEAST_ZOOM, MOST_ZOOM])
      .filter((event) => !lassoing || event.type === "wheel")
      .on("zoom", ({ transform }) => {
        view.current = transform;
        setHover(-1);
        drawSoon();
      });
    select(canvas.current).call(behaviour.current).on("dblclick.zoom", null);
    return () => select(canvas.current).on(".zoom", null);
  }, [lassoing]);
  const zoomBy = (factor) => select(canvas.current).call(behaviour.current.scaleBy, factor);
  const fit = () => select(canvas.current).call(behaviour.current.transform, zoomIdentity);
  const pan = (x, y) => select(canvas.current).call(behaviour.current.translateBy, x / view.current.k, y / view.current.k);

  const at = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const near = (point) => nearby.find(...view.current.invert(point), REACH / view.current.k);
  const move = (event) => {
    const point = at(event);
    const last = line.current.at(-1);
    if (lassoing && event.buttons) {
      if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < LINE_STEP) return;
      line.current.push(point);
      drawMarks();
    } else if (!event.buttons) setHover(near(point));
  };
  const release = () => {
    const polygon = line.current.map((point) => view.current.invert(point));
    line.current = [];
    drawMarks();
    if (polygon.length > 2) onLasso(within(xs, ys, polygon));
  };
  const start = (k, share = 0) => named(ids[k]).then((track) => play(track, share * track.duration_s));
  const KEYS = {
    "+": () => zoomBy(1.5),
    "-": () => zoomBy(1 / 1.5),
    0: fit,
    ArrowLeft: () => pan(60, 0),
    ArrowRight: () => pan(-60, 0),
    ArrowUp: () => pan(0, 60),
    ArrowDown: () => pan(0, -60),
  };

  useEffect(() => {
    setName(null);
    if (hover < 0) return undefined;
    let wanted = true;
    named(ids[hover]).then((track) => wanted && setName(track), () => {});
    const timer = auditioning && setTimeout(() => start(hover, AUDITION_FROM), AUDITION_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [hover, ids]);
  const [left, top] = hover < 0 ? [0, 0] : view.current.apply([xs[hover], ys[hover]]);
  return (
    <>
      <canvas
        ref={canvas}
        class={lassoing ? "lassoing" : hover >= 0 ? "pointing" : ""}
        role="img"
        tabIndex={0}
        aria-label={`Map of ${counted(ids.length, "track")}; near dots sound alike. Plus, minus and arrow keys move it.`}
        onPointerDown={(event) => {
          hadLasso.current = lassoing;
          if (!lassoing) return;
          canvas.current.setPointerCapture(event.pointerId);
          setHover(-1);
          line.current = [at(event)];
        }}
        onPointerMove={move}
        onPointerUp={() => lassoing && release()}
        onPointerLeave={() => setHover(-1)}
        onKeyDown={(event) => {
          const act = KEYS[event.key];
          if (!act) return;
          event.preventDefault();
          event.stopPropagation();
          act();
        }}
        onClick={(event) => {
          const k = hadLasso.current ? -1 : near(at(event));
          if (k >= 0) start(k);
        }}
        onDblClick={(event) => {
          const k = near(at(event));
          if (k >= 0) go(link.track({ id: ids[k] }));
        }}
      />
      <canvas ref={marks} class="marks" aria-hidden="true" />
      {name && (
        <div class="map-label" style={{ left: `${Math.max(8, Math.min(left, size[0] - 290))}px`, top: `${Math.max(36, Math.min(top, size[1] - 36))}px` }}>
          <Cover track={name} />
          <div class="lines">
            <div class="ellipsis strong">{title(name)}</div>
            <div class="ellipsis small dim">{name.artist ?? "Unknown artist"}</div>
          </div>
        </div>
      )}
      <div class="map-buttons" role="group" aria-label="Zoom">
        <button class="button round" onClick={() => zoomBy(1.5)} aria-label="Zoom in">
          <Icon name="add" size={18} />
        </button>
        <button class="button round" onClick={() => zoomBy(1 / 1.5)} aria-label="Zoom out">
          <Icon name="minus" size={18} />
        </button>
        <button class="button round" onClick={fit} aria-label="Show the whole map">
          <Icon name="fit" size={18} />
        </button>
      </div>
    </>
  );
}

const NoMap = () => (
  <Empty
    icon="map"
    heading="No map yet"
    text="A map needs at least three tracks with embeddings. Index some music, and it draws itself."
  >
    <a class="button primary" href="#/jobs">
      <Icon name="folder" size={18} /> Index a folder
    </a>
  </Empty>
);

export function SoundMap() {
  const state = useLoad((signal) => load(signal), []);
  if (state.value?.ids.length) return <Shown columns={state.value} />;
  const isEmpty = state.value || state.error?.code === "model"; // nothing has an embedding
  return (
    <div class="stack">
      <h1>Map</h1>
      {isEmpty ? (
        <NoMap />
      ) : (
        <Loaded state={state} waiting="Drawing the map. The first time this takes a while in a large library." />
      )}
    </div>
  );
}

const tone = ([red, green, blue]) => ({ background: `rgb(${red} ${green} ${blue})` });

function Shown({ columns }) {
  const { ids, cluster } = columns;
  const [by, setBy] = useState("cluster");
  const [words, setWords] = useState("");
  const [only, setOnly] = useState(null); // a cluster
  const [lassoing, setLassoing] = useState(false);
  const [auditioning, setAuditioning] = useState(false);
  const [chosen, setChosen] = useState([]); // indices of dots
  const [waiting, setWaiting] = useState(false);
  const later = useLater(words.trim());
  const hits = useLoad(async (stop) => (later ? tracks({ query: later, limit: MOST_LIT }, stop) : null), [later]);
  const lit = useMemo(() => {
    const every = (test) => Uint32Array.from(ids.keys()).filter(test);
    const found = new Set((hits.value?.tracks ?? []).map(({ id }) => id));
    if (later) return hits.loading ? null : every((k) => found.has(ids[k]));
    if (chosen.length) return chosen;
    return only == null ? null : every((k) => cluster[k] === only);
  }, [ids, later, hits.value, hits.loading, chosen, only]);
  const use = async (action) => {
    setWaiting(true);
    try {
      action(await Promise.all(sampled(chosen, MOST_CHOSEN).map((k) => named(ids[k]))));
    } finally {
      setWaiting(false);
    }
  };
  const { bytes, legend } = useMemo(() => colours(columns, by), [columns, by]);
  return (
    <div class="stack map-view">
      <div class="head">
        <div class="lines">
          <h1>Map</h1>
          <p class="dim small">Tracks that sound alike are near each other. Click a dot to hear it, double-click to open it.</p>
        </div>
        <div class="row wrap tools">
          <label class="field">
            <Icon name="search" size={18} />
            <span class="hidden-label">Highlight tracks</span>
            <input type="search" placeholder="Highlight" value={words} onInput={(event) => setWords(event.target.value)} />
          </label>
          <label>
            <span class="hidden-label">Colour by</span>
            <select
              class="button"
              value={by}
              onChange={(event) => {
                setBy(event.target.value);
                setOnly(null);
              }}
            >
              <option value="cluster">Colour by cluster</option>
              <option value="tempo_bpm">Colour by tempo</option>
              <option value="year">Colour by year</option>
            </select>
          </label>
          <button class={`button ${lassoing ? "on" : ""}`} aria-pressed={lassoing} onClick={() => setLassoing(!lassoing)}>
            <Icon name="lasso" size={18} /> Lasso
          </button>
          <button
            class={`button fine-pointer ${auditioning ? "on" : ""}`}
            aria-pressed={auditioning}
            onClick={() => setAuditioning(!auditioning)}
          >
            <Icon name="volume" size={18} /> Hear while pointing
          </button>
        </div>
      </div>
      <div class="map-frame">
        <Canvas
          columns={columns}
          bytes={bytes}
          lit={lit}
          lassoing={lassoing}
          auditioning={auditioning}
          onLasso={(some) => {
            setChosen(some);
            setLassoing(false);
          }}
        />
        {(chosen.length > 0 || (later && lit)) && (
          <div class="map-bar" role="status">
            {later && lit ? (
              <span>
                {counted(hits.value?.total ?? 0, "track")} found
                {hits.value?.total > MOST_LIT && `, ${count(MOST_LIT)} highlighted`}
              </span>
            ) : (
              <>
                <span>
                  {counted(chosen.length, "track")} in the lasso
                  {chosen.length > MOST_CHOSEN && <span class="dim">, {MOST_CHOSEN} of them are used</span>}
                </span>
                <button class="button primary" disabled={waiting} onClick={() => use((some) => play(some[0], 0, some))}>
                  <Icon name="play" size={16} /> Play them
                </button>
                <button class="button" disabled={waiting} onClick={() => use(enqueue)}>
                  Play later
                </button>
                <button
                  class="button"
                  disabled={waiting}
                  onClick={() =>
                    use((some) => {
                      offer(some);
                      go("#/discover");
                    })
                  }
                >
                  Make a playlist
                </button>
                <button class="button quiet round" onClick={() => setChosen([])} aria-label="Clear the lasso">
                  <Icon name="close" size={18} />
                </button>
              </>
            )}
          </div>
        )}
        <div class="legend">
          {legend.map(({ tone: colour, label, cluster: each }) =>
            each == null ? (
              <span key={label}>
                <i style={tone(colour)} />
                {label}
              </span>
            ) : (
              <button key={each} aria-pressed={only === each} onClick={() => setOnly(only === each ? null : each)}>
                <i style={tone(colour)} />
                {label}
              </button>
            ),
          )}
        </div>
      </div>
    </div>
  );
}
