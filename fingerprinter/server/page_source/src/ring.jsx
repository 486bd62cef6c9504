// The loudness that the microphone hears, as a ring of bars around its button.
import { useEffect, useRef } from "preact/hooks";

const BARS = 72;
const SIZE = 264; // pixels, as in the sheet
const INNER = 96;
const REACH = 34;

/** `levels.current` holds the last loudnesses 0..1, the newest last; the ring grows from its top to both sides. */
export function Ring({ levels }) {
  const canvas = useRef();
  useEffect(() => {
    const scale = window.devicePixelRatio || 1;
    const pen = canvas.current.getContext("2d");
    canvas.current.width = canvas.current.height = SIZE * scale;
    pen.scale(scale, scale);
    const tone = getComputedStyle(canvas.current).getPropertyValue("--accent");
    let frame;
    const draw = () => {
      frame = requestAnimationFrame(draw);
      pen.clearRect(0, 0, SIZE, SIZE);
      pen.strokeStyle = tone;
      pen.lineWidth = 3;
      pen.lineCap = "round";
      for (let k = 0; k < BARS; k++) {
        const age = Math.min(k, BARS - k);
        const level = levels.current.at(-1 - age) ?? 0;
        const angle = (k / BARS) * 2 * Math.PI - Math.PI / 2;
        const end = INNER + 2 + REACH * level;
        pen.globalAlpha = 0.25 + 0.75 * level;
        pen.beginPath();
        pen.moveTo(SIZE / 2 + INNER * Math.cos(angle), SIZE / 2 + INNER * Math.sin(angle));
        pen.lineTo(SIZE / 2 + end * Math.cos(angle), SIZE / 2 + end * Math.sin(angle));
        pen.stroke();
      }
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, []);
  return <canvas class="ring" ref={canvas} aria-hidden="true" />;
}
