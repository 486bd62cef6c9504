// The map: every track a dot, near what sounds like it. Hover plays, lasso makes a playlist.
import { quadtree } from "d3-quadtree";
import { select } from "d3-selection";
import { zoom as makeZoom, zoomIdentity } from "d3-zoom";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { map as load, track as loadTrack, tracks } from "../api.js";
import { counted, title } from "../format.js";
import { useLater, useLoad } from "../hooks.js";
import { Icon } from "../icons.jsx";
import { Empty, Loaded } from "../parts.jsx";
import { current, enqueue, play } from "../player.js";
import { go, link } from "../router.js";
import { offer } from "../playlist.js";

const REACH = 14; // pixels from the pointer within which a dot is meant
const HUES = 12;
const MOST_CHOSEN = 200; // tracks of a lasso that become a playlist

const names = new Map(); // the map's columns have no names: a track is asked for when it is pointed at

/** The track of a dot. */
function named(id) {
  if (!names.has(id)) names.set(id, loadTrack(id).then(({ track }) => track));
  return names.get(id);
}

const clusterColour = (cluster) => (cluster < 0 ? "#8a94a0" : `hsl(${(cluster * 137.5) % 360} 62% 58%)`);

/** Blue for the low end over green to red for the high end. */
const scaleColour = (share) => (Number.isFinite(share) ? `hsl(${Math.round(220 - 220 * share)} 68% 56%)` : "#8a94a0");

/** The colour of each dot, and the legend: [[colour, label], ...]. */
function colours(dots, by, clusters) {
  if (by === "cluster") {
    const legend = clusters.slice(0, HUES).map(({ id, name }) => [clusterColour(id), name]);
    return { of: dots.map((dot) => clusterColour(dot.cluster)), legend };
  }
  const values = dots.map((dot) => dot[by] ?? NaN);
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return { of: dots.map(() => scaleColour(NaN)), legend: [[scaleColour(NaN), "not known yet"]] };
  const low = known[Math.floor(known.length * 0.02)];
  const high = known[Math.floor((known.length - 1) * 0.98)];
  const share = (value) => Math.max(0, Math.min(1, (value - low) / (high - low || 1)));
  const steps = [0, 0.25, 0.5, 0.75, 1];
  return {
    of: values.map((value) => scaleColour(share(value))),
    legend: steps.map((step) => [scaleColour(step), Math.round(low + step * (high - low))]),
  };
}

/** The middle of some values, and half of their range. */
function middleAndReach(values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return { middle: (low + high) / 2, reach: (high - low) / 2 || 1 };
}

/** Whether a point lies inside a polygon, by the even-odd rule. */
function inside([x, y], polygon) {
  let odd = false;
  for (let k = 0, last = polygon.length - 1; k < polygon.length; last = k++) {
    const [[ax, ay], [bx, by]] = [polygon[k], polygon[last]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function Canvas({ dots, colour, found, lassoing, onLasso }) {
  const canvas = useRef();
  const [view, setView] = useState(zoomIdentity);
  const [size, setSize] = useState([0, 0]);
  const [hover, setHover] = useState(null);
  const [line, setLine] = useState([]);
  const places = useMemo(() => {
    const [x, y] = [middleAndReach(dots.map((dot) => dot.x)), middleAndReach(dots.map((dot) => dot.y))];
    const scale = 0.46 * Math.min(size[0] / x.reach, size[1] / y.reach);
    return dots.map((dot) => [size[0] / 2 + (dot.x - x.middle) * scale, size[1] / 2 - (dot.y - y.middle) * scale]);
  }, [dots, size]);
  const tree = useMemo(() => quadtree(dots.keys(), (k) => places[k][0], (k) => places[k][1]), [places]);

  useEffect(() => {
    const observer = new ResizeObserver(([{ contentRect }]) => setSize([contentRect.width, contentRect.height]));
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const behaviour = makeZoom()
      .scaleExtent([0.8, 60])
      .filter((event) => !lassoing || event.type === "wheel")
      .on("zoom", ({ transform }) => setView(transform));
    select(canvas.current).call(behaviour).on("dblclick.zoom", null);
    return () => select(canvas.current).on(".zoom", null);
  }, [lassoing]);

  useEffect(() => {
    const scale = window.devicePixelRatio || 1;
    canvas.current.width = size[0] * scale;
    canvas.current.height = size[1] * scale;
    const pen = canvas.current.getContext("2d");
    pen.scale(scale, scale);
    const radius = Math.max(1.2, Math.min(7, 60 / Math.sqrt(dots.length))) * Math.sqrt(view.k);
    const paint = (k, tone, size_) => {
      const [x, y] = view.apply(places[k]);
      if (x < -9 || y < -9 || x > size[0] + 9 || y > size[1] + 9) return;
      pen.fillStyle = tone;
      if (size_ < 2) pen.fillRect(x - size_, y - size_, 2 * size_, 2 * size_);
      else {
        pen.beginPath();
        pen.arc(x, y, size_, 0, 7);
        pen.fill();
      }
    };
    pen.globalAlpha = found.size ? 0.18 : 0.85;
    for (let k = 0; k < dots.length; k++) paint(k, colour[k], radius);
    pen.globalAlpha = 1;
    if (found.size) for (let k = 0; k < dots.length; k++) if (found.has(dots[k].id)) paint(k, colour[k], radius + 2.5);
    const ring = (k, tone) => {
      const [x, y] = view.apply(places[k]);
      pen.strokeStyle = tone;
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.arc(x, y, radius + 4, 0, 7);
      pen.stroke();
    };
    const style = getComputedStyle(canvas.current);
    const playing = dots.findIndex(({ id }) => id === current.value?.id);
    if (playing >= 0) ring(playing, style.getPropertyValue("--accent"));
    if (hover != null) ring(hover, style.getPropertyValue("--text"));
    if (line.length > 1) {
      pen.strokeStyle = style.getPropertyValue("--accent");
      pen.setLineDash([5, 4]);
      pen.beginPath();
      line.forEach(([x, y]) => pen.lineTo(x, y));
      pen.stroke();
    }
  });

  const at = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const near = (point) => {
    const [x, y] = view.invert(point);
    return tree.find(x, y, REACH / view.k) ?? null;
  };
  const move = (event) => {
    if (lassoing && event.buttons) setLine([...line, at(event)]);
    else setHover(near(at(event)));
  };
  const release = () => {
    if (lassoing && line.length > 2)
      onLasso(dots.filter((_, k) => inside(view.apply(places[k]), line)));
    setLine([]);
  };
  const dot = hover == null ? null : dots[hover];
  const [name, setName] = useState(null);
  useEffect(() => {
    setName(null);
    let wanted = true;
    if (dot) named(dot.id).then((track) => wanted && setName(track), () => {});
    return () => (wanted = false);
  }, [dot?.id]);
  const [left, top] = dot ? view.apply(places[hover]) : [0, 0];
  return (
    <>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`Map of ${dots.length} tracks; near dots sound alike`}
        onPointerDown={(event) => lassoing && setLine([at(event)])}
        onPointerMove={move}
        onPointerUp={release}
        onPointerLeave={() => setHover(null)}
        onClick={(event) => {
          const k = lassoing ? null : near(at(event));
          if (k != null) named(dots[k].id).then((track) => play(track));
        }}
        onDblClick={(event) => {
          const k = near(at(event));
          if (k != null) go(link.track(dots[k]));
        }}
      />
      {dot && name && (
        <div class="map-label" style={{ left: `${Math.min(left, size[0] - 240)}px`, top: `${top}px` }}>
          <div class="ellipsis" style={{ fontWeight: 600 }}>
            {title(name)}
          </div>
          <div class="ellipsis small dim">{name.artist ?? "Unknown artist"}</div>
        </div>
      )}
    </>
  );
}

export function SoundMap() {
  const state = useLoad((signal) => load(signal), []);
  const dots = useMemo(() => {
    const { ids = [], x, y, cluster, year, tempo_bpm: tempo } = state.value ?? {};
    return ids.map((id, k) => ({ id, x: x[k], y: y[k], cluster: cluster[k], year: year[k], tempo_bpm: tempo[k] }));
  }, [state.value]);
  return (
    <div class="stack">
      <Loaded state={state} waiting="Drawing the map. The first time this takes a while in a large library.">
        {({ clusters }) =>
          dots.length ? (
            <Shown dots={dots} clusters={clusters} />
          ) : (
            <>
              <h1>Map</h1>
              <Empty icon="map">A map needs at least three tracks with embeddings. Index some music first.</Empty>
            </>
          )
        }
      </Loaded>
    </div>
  );
}

function Shown({ dots, clusters }) {
  const [by, setBy] = useState("cluster");
  const [words, setWords] = useState("");
  const [lassoing, setLassoing] = useState(false);
  const [chosen, setChosen] = useState([]);
  const [waiting, setWaiting] = useState(false);
  const later = useLater(words.trim());
  const hits = useLoad(async (stop) => (later ? (await tracks({ query: later, limit: 1000 }, stop)).tracks : []), [later]);
  const found = useMemo(
    () => new Set((later ? (hits.value ?? []) : chosen).map(({ id }) => id)),
    [later, hits.value, chosen],
  );
  const use = async (action) => {
    setWaiting(true);
    try {
      action(await Promise.all(chosen.slice(0, MOST_CHOSEN).map(({ id }) => named(id))));
    } finally {
      setWaiting(false);
    }
  };
  const { of, legend } = useMemo(() => colours(dots, by, clusters), [dots, by, clusters]);
  return (
    <>
      <div class="head" style={{ marginBottom: 0 }}>
        <div>
          <h1>Map</h1>
          <p class="dim small">Tracks that sound alike are near each other. Click a dot to hear it, double-click to open it.</p>
        </div>
        <div class="row wrap">
          <label class="field">
            <Icon name="search" size={18} />
            <span class="hidden-label">Highlight tracks</span>
            <input type="search" placeholder="Highlight" value={words} onInput={(event) => setWords(event.target.value)} />
          </label>
          <label>
            <span class="hidden-label">Colour by</span>
            <select class="button" value={by} onChange={(event) => setBy(event.target.value)}>
              <option value="cluster">Colour by cluster</option>
              <option value="tempo_bpm">Colour by tempo</option>
              <option value="year">Colour by year</option>
            </select>
          </label>
          <button class={`button ${lassoing ? "on" : ""}`} aria-pressed={lassoing} onClick={() => setLassoing(!lassoing)}>
            Lasso
          </button>
        </div>
      </div>
      <div class="map-frame">
        <Canvas
          dots={dots}
          colour={of}
          found={found}
          lassoing={lassoing}
          onLasso={(some) => {
            setChosen(some);
            setLassoing(false);
          }}
        />
        <div class="legend">
          {legend.map(([tone, label]) => (
            <span key={label}>
              <i style={{ background: tone }} />
              {label}
            </span>
          ))}
        </div>
      </div>
      {chosen.length > 0 && (
        <div class="row wrap">
          <span>{counted(chosen.length, "track")} in the lasso</span>
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
          <button class="button quiet" onClick={() => setChosen([])}>
            Clear
          </button>
        </div>
      )}
    </>
  );
}
