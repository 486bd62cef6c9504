// The bar at the foot of the page: what plays, its waveform, the queue.
import { useEffect, useState } from "preact/hooks";
import { waveform } from "./api.js";
import { time, title } from "./format.js";
import { Icon } from "./icons.jsx";
import { Cover } from "./parts.jsx";
import { current, drop, jump, place, playing, position, queue, seek, step, toggle, volume } from "./player.js";
import { link } from "./router.js";
import { Waveform } from "./waveform.jsx";

/** The waveform of a track; a flat line until it is known. */
export function useWaveform(track) {
  const [points, setPoints] = useState([]);
  useEffect(() => {
    setPoints([]);
    if (!track) return undefined;
    const stop = new AbortController();
    waveform(track, stop.signal).then(setPoints, () => {});
    return () => stop.abort();
  }, [track?.id]);
  return points;
}

function Queue({ onClose }) {
  return (
    <section class="queue" aria-label="Queue">
      <div class="row spread">
        <h2>Queue</h2>
        <button class="button quiet round" onClick={onClose} aria-label="Close the queue">
          <Icon name="close" size={18} />
        </button>
      </div>
      <ol class="plain">
        {queue.value.map((track, k) => (
          <li key={`${k}-${track.id}`} class="row" style={{ padding: "5px 0" }}>
            <button class="button quiet grow" style={{ justifyContent: "flex-start" }} onClick={() => jump(k)}>
              <span class="ellipsis" style={k === place.value ? { color: "var(--accent)" } : {}}>
                {title(track)} <span class="dim small">{track.artist}</span>
              </span>
            </button>
            <button class="button quiet round" onClick={() => drop(k)} aria-label={`Remove ${title(track)} from the queue`}>
              <Icon name="close" size={16} />
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function PlayerBar() {
  const [open, setOpen] = useState(false);
  const track = current.value;
  const points = useWaveform(track);
  if (!track) return null;
  return (
    <>
      {open && <Queue onClose={() => setOpen(false)} />}
      <section class="player" aria-label="Player">
        <div class="row">
          <Cover track={track} large />
          <div class="grow">
            <a class="ellipsis" style={{ display: "block", fontWeight: 600 }} href={link.track(track)}>
              {title(track)}
            </a>
            <div class="ellipsis small dim">{track.artist ?? "Unknown artist"}</div>
          </div>
        </div>
        <div class="transport">
          <button class="button quiet round previous" onClick={() => step(-1)} aria-label="Previous">
            <Icon name="previous" size={18} />
          </button>
          <button class="button primary round main" onClick={toggle} aria-label={playing.value ? "Pause" : "Play"}>
            <Icon name={playing.value ? "pause" : "play"} size={20} />
          </button>
          <button class="button quiet round" onClick={() => step(1)} aria-label="Next">
            <Icon name="next" size={18} />
          </button>
        </div>
        <div class="times number">
          <span style={{ textAlign: "right" }}>{time(position.value)}</span>
          <Waveform
            points={points}
            duration={track.duration_s}
            position={position.value}
            onSeek={seek}
            label={`Position in ${title(track)}`}
          />
          <span>{time(track.duration_s)}</span>
        </div>
        <div class="end">
          <label class="row volume" style={{ gap: "6px" }}>
            <Icon name={volume.value ? "volume" : "muted"} size={18} />
            <span class="hidden-label">Volume</span>
            <input
              type="range"
              min="0"
              max="1"
              step="0.02"
              value={volume.value}
              onInput={(event) => (volume.value = Number(event.target.value))}
            />
          </label>
          <button
            class={`button quiet round ${open ? "on" : ""}`}
            onClick={() => setOpen(!open)}
            aria-label={`Queue, ${queue.value.length} tracks`}
            aria-expanded={open}
          >
            <Icon name="queue" />
          </button>
        </div>
      </section>
    </>
  );
}
