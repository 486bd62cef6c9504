"""Long mixes of known recordings, with the truth about every second of them.

Neighbours overlap in a crossfade of equal power. Half of the tracks are changed in tempo alone
(time stretch), half in speed (resampling), as a disc jockey does. Speech may lie over every second
transition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.degrade import rms, stretched
from fingerprinter.evaluation.degrade.noise import Sound
from fingerprinter.evaluation.excerpt import SR, Samples, read_excerpt

SHORTEST_S = 30.0  # of a recording in a mix
_LEVEL = 0.1  # RMS of each track, of full scale
_FADES_S = (4.0, 12.0)
_SPEECH_S, _SPEECH_EVERY = (8.0, 20.0), 2  # speech lies over every second transition
_SPEECH_LEVEL = 2 * _LEVEL  # 6 dB above the music
_OUTSIDE_S, _OUTSIDE_EVERY = (20.0, 60.0), 3  # unknown music comes before every third track


@dataclass(frozen=True, slots=True)
class MixPlan:
    """How a mix is made.

    Attributes
    ----------
    tracks
        Recordings of the library in it.
    slot_s
        How long each of them plays at most.
    change
        Tempo or speed are changed by at most so much, as a share.
    speech
        What is spoken over the music; ``None`` for nothing.
    """

    tracks: int = 10
    slot_s: float = 90.0
    change: float = 0.06
    speech: Sound | None = None


@dataclass(frozen=True, slots=True)
class PlayedTrack:
    """A recording in a mix, from the start of its fade in to the end of its fade out.

    Attributes
    ----------
    recording
        What is played; its track id is ``None`` for music that the library does not hold.
    start_s, end_s
        In seconds of the mix.
    fade_in_s, fade_out_s
        Lengths of the crossfades with the neighbours.
    offset_s
        The second of the recording that sounds at ``start_s``.
    warp
        Tempo and pitch relative to the recording.
    """

    recording: Recording
    start_s: float
    end_s: float
    fade_in_s: float
    fade_out_s: float
    offset_s: float
    warp: Warp


@dataclass(frozen=True, slots=True)
class Mix:
    """A mix, (n,) float32 mono at 16 kHz, and what is played in it."""

    samples: Samples
    played: tuple[PlayedTrack, ...]

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.samples) / SR


def draw_mix(
    plan: MixPlan,
    inside: Sequence[Recording],
    outside: Sequence[Recording],
    rng: np.random.Generator,
) -> Mix:
    """Draw recordings, each at most once, and mix them.

    Parameters
    ----------
    plan
        How many and how long.
    inside
        Recordings of the library, each with its duration.
    outside
        Other music to play in between; may be empty.
    rng
        Decides everything that is drawn.

    Raises
    ------
    UsageError
        If none of the recordings is 30 s or longer, or none can be read.
    """
    samples = np.empty(0, np.float32)
    played: list[PlayedTrack] = []
    for recording, longest_s in _draw_order(plan, inside, outside, rng):
        try:
            part, offset_s, warp = _draw_part(recording, longest_s, plan.change, rng)
        except AudioError:
            continue
        fade = min(round(rng.uniform(*_FADES_S) * SR), len(part) // 3) if played else 0
        samples = crossfaded(samples, part, fade)
        if played:
            played[-1] = replace(played[-1], fade_out_s=fade / SR)
        start_s = (len(samples) - len(part)) / SR
        end_s = len(samples) / SR
        played.append(PlayedTrack(recording, start_s, end_s, fade / SR, 0.0, offset_s, warp))
    if not played:
        raise UsageError(
            f"no recording of {SHORTEST_S:.0f} s or more could be read to mix;"
            " index longer music, or choose other files with --from"
        )
    if plan.speech:
        for each in played[_SPEECH_EVERY - 1 :: _SPEECH_EVERY]:
            _speak_over(samples, each.start_s + each.fade_in_s / 2, plan.speech, rng)
    return Mix(samples, tuple(played))


def _speak_over(samples: Samples, middle_s: float, speech: Sound, rng: np.random.Generator) -> None:
    """Adds speech to a mix, around a second of it."""
    length_s = rng.uniform(*_SPEECH_S)
    start = round(max(0.0, middle_s - length_s / 2) * SR)
    over = samples[start : start + round(length_s * SR)]
    over += at_level(speech(len(over), rng), _SPEECH_LEVEL)


def at_level(samples: Samples, level: float = _LEVEL) -> Samples:
    """Scales to an RMS, of full scale; what is nearly silent stays quiet."""
    return samples * np.float32(level / max(rms(samples), 1e-4))


def crossfaded(before: Samples, after: Samples, fade: int) -> Samples:
    """Two recordings that overlap by ``fade`` samples, at equal power."""
    ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
    start = len(before) - fade
    overlap = before[start:] * ramp[::-1] + after[:fade] * ramp
    return np.concatenate([before[:start], overlap, after[fade:]])


def _draw_order(
    plan: MixPlan,
    inside: Sequence[Recording],
    outside: Sequence[Recording],
    rng: np.random.Generator,
) -> Iterator[tuple[Recording, float]]:
    """The recordings of a mix in their order, each with its longest time."""
    fitting = [each for each in inside if (each.duration_s or 0.0) >= SHORTEST_S]
    order = rng.permutation(len(fitting))[: plan.tracks]
    for number, which in enumerate(order.tolist()):
        if outside and number % _OUTSIDE_EVERY == _OUTSIDE_EVERY - 1:
            stranger = outside[int(rng.integers(len(outside)))]
            yield stranger, float(rng.uniform(*_OUTSIDE_S))
        yield fitting[which], plan.slot_s


def _draw_part(
    recording: Recording, longest_s: float, change: float, rng: np.random.Generator
) -> tuple[Samples, float, Warp]:
    """A part of a recording as it is played: samples, the second where it begins, its warp."""
    factor = float(rng.uniform(1 - change, 1 + change))
    warp = Warp(factor, factor if rng.random() < 0.5 else 1.0)
    length_s = longest_s * warp.tempo
    latest_s = max(0.0, (recording.duration_s or 0.0) - length_s)
    offset_s = float(rng.uniform(0.0, latest_s))
    samples = read_excerpt(recording.path, offset_s, round(length_s * SR))
    return at_level(stretched(samples, warp)), offset_s, warp
