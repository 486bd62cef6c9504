"""The conditions of an evaluation, each known by its name.

A name says what is done to a clip and how long it is. ``room+5dB-2s`` is a room with ambience at a
signal-to-noise ratio of +5 dB and 2 s long. ``speed-0.80+5dB-10s`` is a changed speed with the same
ambience. ``pitch-4-5s`` is four semitones down, ``mix-15s`` two recordings at once, and
``outside-...`` music that the library does not hold. ``sound-pips`` is a rendered sound of 1 to
30 s that is no music (`SOUND_CONDITIONS`), which is drawn where it is asked for by name. So are
the conditions of `HARD_CONDITIONS`: ``tempo-1.06pitch-2-10s`` changes both, and
``speed-0.80+room-10s`` is a slow version with reverberation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.degrade import (
    Sounds,
    add_noise,
    babble,
    gsm,
    mp3,
    reverberated,
    telephone,
)
from fingerprinter.evaluation.degrade.outside_sounds import OUTSIDE_SOUNDS, Renderer
from fingerprinter.evaluation.excerpt import SR, Samples

Degradation = Callable[[Samples, Sounds, np.random.Generator], Samples]

_SEMITONE = 2 ** (1 / 12)
_SPEEDS = (0.80, 0.88, 0.96, 1.04, 1.12, 1.25)
_TEMPOS = (0.75, 0.85, 0.95, 1.05, 1.18, 1.33)
_SEMITONES = (-4, -2, -1, 1, 2, 4)
# A drawn factor lies within 1 % of the named one, so that no grid of search factors is favoured.
_SPREAD = 0.01
_QUICK = {
    *("clean-1s", "clean-5s", "ambience+0dB-2s", "ambience+0dB-5s", "ambience-5dB-5s"),
    *("room+5dB-5s", "babble+0dB-10s", "telephone-10s", "gsm-10s", "mp3-32k-5s"),
    *("speed-0.88-10s", "tempo-1.18-10s", "pitch+2-10s"),
    *("mix-15s", "outside-clean-5s", "outside+5dB-10s"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A range of factors by which the speed, the tempo alone, or the pitch alone is changed.

    With ``pitch``, a tempo is changed together with a pitch within 1 % of this factor.
    """

    kind: str
    low: float
    high: float
    pitch: float = 1.0

    def draw(self, rng: np.random.Generator) -> Warp:
        """Draw a factor of the range, as a tempo and a pitch."""
        factor = float(rng.uniform(self.low, self.high))
        if self.pitch != 1.0:
            return Warp(factor, self.pitch * float(rng.uniform(1 - _SPREAD, 1 + _SPREAD)))
        tempo = 1.0 if self.kind == "pitch" else factor
        return Warp(tempo, 1.0 if self.kind == "tempo" else factor)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to a clip.

    Attributes
    ----------
    name
        See the module.
    clip_s
        Length of the clip.
    degradations
        Applied one after the other.
    change
        Change of speed, tempo or pitch; ``None`` for none.
    recordings
        How many sound at once. All of them must be identified.
    outside
        Whether the music is not in the library, so that every answer is wrong.
    render
        Makes the clip where it is drawn from no recording.
    """

    name: str
    clip_s: float
    degradations: tuple[Degradation, ...] = ()
    change: Change | None = None
    recordings: int = 1
    outside: bool = False
    render: Renderer | None = None

    def draw_warp(self, rng: np.random.Generator) -> Warp:
        """Draw the tempo and pitch of a clip."""
        return self.change.draw(rng) if self.change else UNCHANGED

    def degrade(self, samples: Samples, sounds: Sounds, rng: np.random.Generator) -> Samples:
        """Apply the degradations one after the other."""
        for degradation in self.degradations:
            samples = degradation(samples, sounds, rng)
        return samples


def _ambience(snr_db: float) -> Degradation:
    return lambda samples, sounds, rng: add_noise(
        samples, sounds.ambience(len(samples), rng), snr_db
    )


def _babble(snr_db: float) -> Degradation:
    return lambda samples, sounds, rng: add_noise(
        samples, babble(len(samples), sounds.voice, rng), snr_db
    )


def _room(samples: Samples, _: Sounds, rng: np.random.Generator) -> Samples:
    return reverberated(samples, rng)


def _telephone(samples: Samples, _: Sounds, rng: np.random.Generator) -> Samples:
    return telephone(samples, rng)


def _gsm(samples: Samples, _: Sounds, __: np.random.Generator) -> Samples:
    return gsm(samples)


def _mp3(samples: Samples, _: Sounds, __: np.random.Generator) -> Samples:
    return mp3(samples)


_NOISY = {"": (), "+5dB": (_ambience(5.0),)}


def _plain() -> list[Condition]:
    lengths = (1, 2, 3, 5, 10)
    clean = [Condition(f"clean-{s}s", s) for s in lengths]
    noisy = [
        Condition(f"ambience{snr:+d}dB-{s}s", s, (_ambience(snr),))
        for snr in (10, 5, 0, -5)
        for s in lengths
    ]
    rooms = [Condition(f"room+5dB-{s}s", s, (_room, _ambience(5.0))) for s in (2, 5, 10)]
    return clean + noisy + rooms


def _channels() -> list[Condition]:
    return [
        Condition("babble+0dB-10s", 10, (_babble(0.0),)),
        Condition("telephone-10s", 10, (_telephone,)),
        Condition("gsm-10s", 10, (_gsm,)),
        Condition("mp3-32k-5s", 5, (_mp3,)),
    ]


def _changed() -> list[Condition]:
    pitches = {f"pitch{semitones:+d}": _SEMITONE**semitones for semitones in _SEMITONES}
    families = (
        ("speed", {f"speed-{factor:.2f}": factor for factor in _SPEEDS}),
        ("tempo", {f"tempo-{factor:.2f}": factor for factor in _TEMPOS}),
        ("pitch", pitches),
    )
    return [
        Condition(f"{name}{noise}-{s}s", s, degradations, change)
        for kind, named in families
        for name, factor in named.items()
        for change in [_near(kind, factor, tuple(named.values()))]
        for noise, degradations in _NOISY.items()
        for s in (5, 10)
    ]


def _near(kind: str, factor: float, factors: Sequence[float]) -> Change:
    """Factors within 1 % of the named one, inside the range of all factors."""
    low = max(factor * (1 - _SPREAD), min(factors))
    return Change(kind, low, min(factor * (1 + _SPREAD), max(factors)))


def _hard() -> list[Condition]:
    changes = {
        **{f"speed-{f:.2f}": _around("speed", f) for f in (0.50, 0.74, 1.35, 2.00)},
        **{f"tempo-{f:.2f}": _around("tempo", f) for f in (0.50, 0.70, 1.40, 2.00)},
        **{f"pitch{n:+d}": _around("pitch", _SEMITONE**n) for n in (-12, -6, 5, 12)},
        **{
            f"tempo-{f:.2f}pitch{n:+d}": _around("tempo", f, _SEMITONE**n)
            for f, n in ((0.60, 5), (1.06, -2), (1.70, -9))
        },
    }
    noisy = (
        ("speed-0.80+room", 10, _around("speed", 0.80), (_room,)),
        ("speed-1.06+room+5dB", 10, _around("speed", 1.06), (_room, _ambience(5.0))),
        ("pitch+2+0dB", 5, _around("pitch", _SEMITONE**2), (_ambience(0.0),)),
        ("speed-1.04+0dB", 3, _around("speed", 1.04), (_ambience(0.0),)),
        ("ambience-10dB", 10, None, (_ambience(-10.0),)),
        ("room+5dB", 1, None, (_room, _ambience(5.0))),
        ("room+0dB", 5, None, (_room, _ambience(0.0))),
        ("clean", 0.5, None, ()),
    )
    return [
        *(Condition(f"{name}-10s", 10, change=change) for name, change in changes.items()),
        *(Condition(f"{name}-{s}s", s, done, change) for name, s, change, done in noisy),
    ]


def _around(kind: str, factor: float, pitch: float = 1.0) -> Change:
    """Factors within 1 % of the named one, inside the range of the search: half to double."""
    low, high = max(factor * (1 - _SPREAD), 0.5), min(factor * (1 + _SPREAD), 2.0)
    return Change(kind, low, high, pitch)


def _crowded() -> list[Condition]:
    outside = [
        Condition(f"outside{noise or '-clean'}-{s}s", s, degradations, outside=True)
        for noise, degradations in _NOISY.items()
        for s in (2, 5, 10)
    ]
    return [Condition("mix-15s", 15, recordings=2), *outside]


def _of_random_length(render: Renderer, longest: int, rng: np.random.Generator) -> Samples:
    """Render 1 s up to ``longest`` samples. Short clips say least, so they are drawn most."""
    return render(round(np.exp(rng.uniform(np.log(SR), np.log(longest)))), rng)


CONDITIONS: tuple[Condition, ...] = (*_plain(), *_channels(), *_changed(), *_crowded())
HARD_CONDITIONS: tuple[Condition, ...] = tuple(_hard())
SOUND_CONDITIONS: tuple[Condition, ...] = tuple(
    Condition(f"sound-{kind}", 30, outside=True, render=partial(_of_random_length, render))
    for kind, render in OUTSIDE_SOUNDS.items()
)
QUICK: tuple[Condition, ...] = tuple(each for each in CONDITIONS if each.name in _QUICK)


def select(names: Sequence[str], among: Sequence[Condition] = CONDITIONS) -> list[Condition]:
    """Select conditions by their names or by how the names begin, in the order of the table.

    Raises
    ------
    UsageError
        If no condition begins with one of the names.

    Examples
    --------
    >>> [condition.name for condition in select(["gsm", "clean-1"])]
    ['clean-1s', 'clean-10s', 'gsm-10s']
    """
    for name in names:
        if not any(condition.name.startswith(name) for condition in among):
            families = sorted({each.name.replace("+", "-").split("-")[0] for each in among})
            raise UsageError(f"{name}: no such condition; they begin with {', '.join(families)}")
    return [each for each in among if each.name.startswith(tuple(names))]
