"""Beats and tempo, out of the probability of a beat in each frame.

The beats are the most likely path through a hidden Markov model [1]_. Its states are positions
between two beats, at each tempo. The model has no bars.

References
----------
.. [1] F. Krebs, S. Böck and G. Widmer, "An efficient state-space model for joint tempo and meter
   tracking", ISMIR 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fingerprinter.core.arrays import Doubles, Floats, Grades, Longs, Mask

FPS = 50
TEMPOGRAM_HOP_S = 0.5

_MIN_BPM, _MAX_BPM = 54.0, 216.0
_STEADINESS = 100.0  # of the tempo: a change by 5 % from beat to beat costs 5 nepers
_BEAT_SHARE = 16  # a beat fills one sixteenth of the way to the next one
# Every second beat is dropped if its activation is below this share of the others. Of 8 generated
# pieces without drums, 5 are found at twice their tempo, and 4 of these are corrected. It wrongly
# changes 1 of 32 pieces with drums, and none of 60 tracks.
_MIN_OFFBEAT_SHARE = 0.6
_TEMPOGRAM_WINDOW_S = 8.0
_SNAP_FRAMES = 2  # a beat moves to the highest activation within this many frames
_STEADY_TOLERANCE = 0.04


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats of a recording.

    Attributes
    ----------
    times_s : (n,) float64
        Ascending.
    strength : float
        Mean activation at the beats, 0..1.
    """

    times_s: Doubles
    strength: float

    def __len__(self) -> int:
        return len(self.times_s)


NO_BEATS = Beats(np.empty(0), 0.0)


@dataclass(frozen=True, slots=True)
class _StateSpace:
    """The states of the model: all positions at the first tempo, then at the next one, ...

    intervals: (t,) frames from beat to beat; first, last: (t,) first and last state of a tempo
    is_beat: (s,) bool
    transitions: (t, t) log probability of an interval (column) after an interval (row)
    """

    intervals: Longs
    first: Longs
    last: Longs
    is_beat: Mask
    transitions: Floats


@lru_cache(maxsize=1)
def _state_space() -> _StateSpace:
    """Build the states and transitions for all tempos."""
    shortest, longest = (round(60 * FPS / bpm) for bpm in (_MAX_BPM, _MIN_BPM))
    intervals = np.arange(shortest, longest + 1)
    last = np.cumsum(intervals) - 1
    first = last - intervals + 1
    position = np.concatenate([np.arange(n) / n for n in intervals])
    # A change by one frame is rounding: at 205 bpm the beats are 14.6 frames apart.
    change = np.maximum(0, np.abs(np.subtract.outer(intervals, intervals)) - 1)
    transitions = -_STEADINESS * change / intervals[:, np.newaxis]
    transitions -= np.log(np.exp(transitions).sum(axis=1, keepdims=True))
    is_beat = position < 1 / _BEAT_SHARE
    return _StateSpace(intervals, first, last, is_beat, transitions.astype(np.float32))


def find_beats(activation: Floats) -> Beats:
    """Find the most likely beats.

    Parameters
    ----------
    activation : (n,) float32
        Probability of a beat in each frame, 0..1, at `FPS`.

    Returns
    -------
    Beats
        `NO_BEATS` for less than two seconds.
    """
    if len(activation) < 2 * FPS:
        return NO_BEATS
    path = _viterbi_beats(np.clip(activation, 1e-4, 1 - 1e-4))
    frames = np.unique([_snap_to_maximum(activation, frame) for frame in path])
    frames = _without_offbeats(activation, frames)
    strength = float(activation[frames].mean()) if len(frames) else 0.0
    times_s = np.maximum(0, frames + _vertex_offset(activation, frames)) / FPS
    return Beats(times_s, strength)


def _viterbi_beats(activation: Floats) -> Longs:
    """Find the frames in which the best path through the states reaches a beat, ascending."""
    states = _state_space()
    log_beat = np.log(activation)
    log_between = np.log((1 - activation) / (_BEAT_SHARE - 1))
    score = np.full(len(states.is_beat), -np.log(len(states.is_beat)), np.float32)
    previous = np.empty((len(activation), len(states.intervals)), np.int8)
    for n in range(len(activation)):
        arrivals = score[states.last][:, np.newaxis] + states.transitions
        previous[n] = arrivals.argmax(axis=0)
        score[1:] = score[:-1]
        score[states.first] = arrivals.max(axis=0)
        score += np.where(states.is_beat, log_beat[n], log_between[n])
    return _backtrack(previous, int(score.argmax()))


def _backtrack(previous: Grades, state: int) -> Longs:
    """Go back along the best path, from beat to beat; previous: (frames, tempos)."""
    states = _state_space()
    tempo = int(np.searchsorted(states.last, state))
    frame = len(previous) - 1 - (state - int(states.first[tempo]))
    beats = []
    while frame >= 0:
        beats.append(frame)
        tempo = int(previous[frame, tempo])
        frame -= int(states.intervals[tempo])
    return np.array(beats[::-1], np.int64)


def _snap_to_maximum(activation: Floats, frame: int) -> int:
    """Find the frame with the highest activation near a frame."""
    first = max(0, frame - _SNAP_FRAMES)
    return first + int(activation[first : frame + _SNAP_FRAMES + 2].argmax())


def _without_offbeats(activation: Floats, frames: Longs) -> Longs:
    """Drop every second beat if these are far weaker, unless that makes the tempo too slow."""
    too_slow = _state_space().intervals[-1]
    if len(frames) < 4 or 2 * float(np.median(np.diff(frames))) > too_slow:
        return frames
    halves = sorted((frames[::2], frames[1::2]), key=lambda half: activation[half].mean())
    weak, strong = (float(activation[half].mean()) for half in halves)
    return halves[1] if weak < _MIN_OFFBEAT_SHARE * strong else frames


def _vertex_offset(activation: Floats, frames: Longs) -> Doubles:
    """Interpolate the peak of the activation by a parabola: -0.5..0.5 frames."""
    padded = np.concatenate([activation[:1], activation, activation[-1:]]).astype(np.float64)
    left, top, right = (padded[frames + k] for k in range(3))
    bend = left - 2 * top + right
    offset = np.clip(0.5 * (left - right) / np.minimum(bend, -1e-6), -0.5, 0.5)
    return np.where(bend < -1e-6, offset, 0.0)


def tempo_of(times_s: Doubles) -> tuple[float, float]:
    """Tempo of beats, and how steady it is.

    The tempo is the median over spans of four beats, which average out errors of single beats.

    Parameters
    ----------
    times_s : (n,) float64
        Beats, ascending; n >= 5.

    Returns
    -------
    tempo_bpm : float
    steady : float
        0..1, the share of the spans within 4 % of the tempo.

    Examples
    --------
    >>> tempo_of(np.arange(9) / 2)
    (120.0, 1.0)
    """
    spans = (times_s[4:] - times_s[:-4]) / 4
    median = float(np.median(spans))
    steady = spans[np.abs(spans / median - 1) < _STEADY_TOLERANCE]
    return 60 / float(steady.mean() if len(steady) else median), len(steady) / len(spans)


def tempogram(activation: Floats, tempos_bpm: Doubles) -> Doubles:
    """Show how well a beat at each tempo fits each moment, for pictures.

    This is the autocorrelation of windows of eight seconds, every `TEMPOGRAM_HOP_S`.

    Parameters
    ----------
    activation : (n,) float32
        Probability of a beat in each frame, at `FPS`.
    tempos_bpm : (t,) float64

    Returns
    -------
    (windows, t) float64
        0..1
    """
    half = round(_TEMPOGRAM_WINDOW_S / 2 * FPS)
    padded = np.pad(activation.astype(np.float64), half)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
    windows = windows[: len(activation) : round(TEMPOGRAM_HOP_S * FPS)]
    windows = windows - windows.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(windows, 4 * half, axis=1)))
    correlation = np.fft.irfft(power, axis=1)[:, : 2 * half]
    correlation /= np.maximum(correlation[:, :1], 1e-9) * (1 - np.arange(2 * half) / (2 * half))
    lags = 60 * FPS / tempos_bpm
    below = lags.astype(np.int64)
    share = lags - below
    return np.maximum(0, (1 - share) * correlation[:, below] + share * correlation[:, below + 1])
