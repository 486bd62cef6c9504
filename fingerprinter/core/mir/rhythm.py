"""Tempo, beats and bars out of how likely each frame is one.

The beats are the best path through a hidden Markov model whose states are places between two beats
at each tempo: Krebs, Böck & Widmer ("An efficient state-space model for joint tempo and meter
tracking", ISMIR 2015), without the bar, which is laid over the beats afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FPS = 50
_SLOWEST_BPM, _FASTEST_BPM = 54.0, 216.0
_STEADINESS = 100.0  # of the tempo: a change by 5 % from beat to beat costs 5 nepers
_BEAT_SHARE = 16  # a beat is a sixteenth of the way to the next
# Of 8 made pieces without drums 5 are heard at twice their tempo, 4 of them with this below 0.6;
# of 32 with drums one lies below too, wrongly; of 60 tracks none.
_OFFBEAT = 0.6
TEMPOGRAM_HOP_S, _WINDOW_S = 0.5, 8.0
_NEAR = 2  # frames around a beat in which its activation is looked for


@dataclass(frozen=True, slots=True)
class Beats:
    """Beats of a recording.

    times_s: (n,) float64
    strength: mean activation at the beats, 0..1
    """

    times_s: Doubles
    strength: float

    def __len__(self) -> int:
        return len(self.times_s)


NO_BEATS = Beats(np.empty(0), 0.0)


@dataclass(frozen=True, slots=True)
class _States:
    """Places between two beats, tempo after tempo.

    intervals: (t,) frames from beat to beat; first, last: (t,) the states of its ends
    is_beat: (s,) bool
    change: (t, t) log probability of going on with an interval (column) after one (row)
    """

    intervals: Ints
    first: Ints
    last: Ints
    is_beat: npt.NDArray[np.bool_]
    change: Floats


@lru_cache(maxsize=1)
def _states() -> _States:
    shortest, longest = (round(60 * FPS / bpm) for bpm in (_FASTEST_BPM, _SLOWEST_BPM))
    intervals = np.arange(shortest, longest + 1)
    last = np.cumsum(intervals) - 1
    first = last - intervals + 1
    place = np.concatenate([np.arange(n) / n for n in intervals])
    # A frame more or less is rounding: at 205 bpm the beats are 14.6 frames apart.
    more = np.maximum(0, np.abs(np.subtract.outer(intervals, intervals)) - 1)
    change = -_STEADINESS * more / intervals[:, np.newaxis]
    change -= np.log(np.exp(change).sum(axis=1, keepdims=True))
    return _States(intervals, first, last, place < 1 / _BEAT_SHARE, change.astype(np.float32))


def find_beats(activation: Floats) -> Beats:
    """The most likely beats.

    activation: (n,) float32 at `FPS`, 0..1, how likely each frame is a beat
    """
    if len(activation) < 2 * FPS:
        return NO_BEATS
    starts = _beat_frames(np.clip(activation, 1e-4, 1 - 1e-4))
    frames = np.unique([_highest_near(activation, frame) for frame in starts])
    frames = _without_offbeats(activation, frames)
    strength = float(activation[frames].mean()) if len(frames) else 0.0
    times_s = np.maximum(0, frames + _fraction(activation, frames)) / FPS
    return Beats(times_s, strength)


def _beat_frames(activation: Floats) -> Ints:
    """Frames at which the best path comes to a beat, in order."""
    states = _states()
    on = np.log(activation)
    off = np.log((1 - activation) / (_BEAT_SHARE - 1))
    score = np.full(len(states.is_beat), -np.log(len(states.is_beat)), np.float32)
    came = np.empty((len(activation), len(states.intervals)), np.int8)
    for n in range(len(activation)):
        ends = score[states.last][:, np.newaxis] + states.change
        came[n] = ends.argmax(axis=0)
        score[1:] = score[:-1]
        score[states.first] = ends.max(axis=0)
        score += np.where(states.is_beat, on[n], off[n])
    return _traced(came, int(score.argmax()))


def _traced(came: npt.NDArray[np.int8], state: int) -> Ints:
    """Back along the best path, from beat to beat."""
    states = _states()
    tempo = int(np.searchsorted(states.last, state))
    frame = len(came) - 1 - (state - int(states.first[tempo]))
    beats = []
    while frame >= 0:
        beats.append(frame)
        tempo = int(came[frame, tempo])
        frame -= int(states.intervals[tempo])
    return np.array(beats[::-1], np.int64)


def _without_offbeats(activation: Floats, frames: Ints) -> Ints:
    """Every second beat where the others are far weaker, and it is not too slow then."""
    if len(frames) < 4 or 2 * float(np.median(np.diff(frames))) > _states().intervals[-1]:
        return frames
    halves = sorted((frames[::2], frames[1::2]), key=lambda half: activation[half].mean())
    weak, strong = (float(activation[half].mean()) for half in halves)
    return halves[1] if weak < _OFFBEAT * strong else frames


def _highest_near(activation: Floats, frame: int) -> int:
    first = max(0, frame - _NEAR)
    return first + int(activation[first : frame + _NEAR + 2].argmax())


def _fraction(activation: Floats, frames: Ints) -> Doubles:
    """Where between the frames the peak of the activation lies, by a parabola: -0.5..0.5."""
    padded = np.concatenate([activation[:1], activation, activation[-1:]]).astype(np.float64)
    left, top, right = (padded[frames + k] for k in range(3))
    bend = left - 2 * top + right
    return np.where(
        bend < -1e-6, np.clip(0.5 * (left - right) / np.minimum(bend, -1e-6), -0.5, 0.5), 0.0
    )


def tempo_of(times_s: Doubles) -> tuple[float, float]:
    """(beats a minute, share of the beats that come so fast) of at least five beats.

    The tempo is the median over four beats in a row, which even out the places of single ones;
    steady are those within 4 % of it.
    """
    spans = (times_s[4:] - times_s[:-4]) / 4
    usual = float(np.median(spans))
    steady = spans[np.abs(spans / usual - 1) < 0.04]
    return 60 / float(steady.mean() if len(steady) else usual), len(steady) / len(spans)


def tempogram(activation: Floats, tempos_bpm: Doubles) -> Doubles:
    """How well a beat at each tempo fits eight seconds: (n, tempos), at most 1, for pictures.

    The autocorrelation of windows that lie `TEMPOGRAM_HOP_S` apart.
    """
    half = round(_WINDOW_S / 2 * FPS)
    padded = np.pad(activation.astype(np.float64), half)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
    windows = windows[: len(activation) : round(TEMPOGRAM_HOP_S * FPS)]
    windows = windows - windows.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(windows, 4 * half, axis=1)))
    alike = np.fft.irfft(power, axis=1)[:, : 2 * half]
    alike /= np.maximum(alike[:, :1], 1e-9) * (1 - np.arange(2 * half) / (2 * half))
    lags = 60 * FPS / tempos_bpm
    below = lags.astype(np.int64)
    share = lags - below
    return np.maximum(0, (1 - share) * alike[:, below] + share * alike[:, below + 1])
