// A track's waveform on a canvas, as a slider: a click or the arrow keys seek in the track.
import { useEffect, useRef, useState } from "preact/hooks";
import { time } from "./format.js";

const BAR = 3; // pixels from one bar to the next

/** The largest of the points that fall into each bar, so that no peak is lost. */
function bars(points, number) {
  const heights = new Float32Array(number);
  for (let k = 0; k < number; k++) {
    const end = Math.max(Math.ceil(((k + 1) * points.length) / number), Math.floor((k * points.length) / number) + 1);
    for (let at = Math.floor((k * points.length) / number); at < end && at < points.length; at++)
      heights[k] = Math.max(heights[k], points[at]);
  }
  return heights;
}

function draw(canvas, { points, duration, position, region, sections }) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const colour = (name) => getComputedStyle(canvas).getPropertyValue(name).trim();
  const [played, rest, match] = ["--accent", "--bar", "--match"].map(colour);
  const strip = sections.length ? 5 : 0;
  const tall = height - strip - (strip ? 4 : 0);
  const heights = bars(points, Math.max(1, Math.floor(width / BAR)));
  heights.forEach((value, k) => {
    const second = ((k + 0.5) / heights.length) * duration;
    const inside = region && second >= region[0] && second <= region[1];
    pen.fillStyle = second <= position ? played : inside ? match : rest;
    const size = Math.max(2, value * tall);
    pen.beginPath();
    pen.roundRect(k * BAR, (tall - size) / 2, BAR - 1, size, 1);
    pen.fill();
  });
  for (const { start_s, end_s, label } of sections) {
    pen.fillStyle = `hsl(${(label.charCodeAt(0) * 67) % 360} 55% 58%)`;
    pen.fillRect((start_s / duration) * width, height - strip, ((end_s - start_s) / duration) * width - 1, strip);
  }
}

/**
 * @param points     heights 0..1
 * @param region     [from, to] in seconds: the matched part
 * @param sections   of the analysis; drawn as a strip below
 */
export function Waveform({ points, duration, position = 0, region = null, sections = [], onSeek, label }) {
  const canvas = useRef();
  const [hover, setHover] = useState(null);
  const [size, setSize] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setSize(entry.contentRect.width));
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => draw(canvas.current, { points, duration, position, region, sections }));
  const secondAt = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * duration;
  };
  const keys = { ArrowLeft: -5, ArrowRight: 5, PageUp: 30, PageDown: -30 };
  return (
    <div
      class="waveform"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={Math.round(duration)}
      aria-valuenow={Math.round(position)}
      aria-valuetext={`${time(position)} of ${time(duration)}`}
      data-width={size}
      onClick={(event) => onSeek(secondAt(event))}
      onPointerMove={(event) => setHover(secondAt(event))}
      onPointerLeave={() => setHover(null)}
      onKeyDown={(event) => {
        if (!(event.key in keys)) return;
        event.preventDefault();
        event.stopPropagation();
        onSeek(position + keys[event.key]);
      }}
    >
      <canvas ref={canvas} />
      {hover != null && (
        <span class="hover-time" style={{ left: `${(100 * hover) / duration}%` }}>
          {time(hover)}
        </span>
      )}
    </div>
  );
}
