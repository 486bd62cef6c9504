"""Short pieces rendered from seeds: drums, bass and chords with a known tempo, beats and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fingerprinter.core.arrays import Doubles
from fingerprinter.core.mir.keys import MODES, TONICS

STYLES: Final = ("rock", "dance", "waltz", "shuffle", "no drums")
_TEMPOS_BPM = (60.0, 190.0)
_SCALES = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]])  # of `MODES`, in semitones


@dataclass(frozen=True, slots=True)
class RenderedPiece:
    """A piece and what is true of it.

    Attributes
    ----------
    samples
        (n,) float64, mono, full scale 1.
    bpm, beats_s, key
        Its tempo, the times of its beats in seconds, and its key, as ``A minor``.
    """

    samples: Doubles
    bpm: float
    beats_s: Doubles
    key: str


def render_piece(style: str, seed: int, sr: int, duration_s: float = 30.0) -> RenderedPiece:
    """Render a piece in one of `STYLES`; tempo, key and all the rest follow from the seed."""
    rng = np.random.default_rng(seed)
    bpm = float(np.exp(rng.uniform(*np.log(_TEMPOS_BPM))))
    tonic, mode = int(rng.integers(12)), int(rng.integers(2))
    beats_s = np.arange(0.2, duration_s - 0.5, 60 / bpm)
    band = _Band(sr, np.zeros(round(duration_s * sr)), 3 if style == "waltz" else 4, rng)
    if style != "no drums":
        band.play_drums(style, beats_s, 60 / bpm)
    band.play_chords(beats_s, 60 / bpm, tonic, mode)
    mix = band.mix + 0.002 * rng.standard_normal(len(band.mix))
    return RenderedPiece(
        0.3 * mix / np.abs(mix).max(), bpm, beats_s, f"{TONICS[tonic]} {MODES[mode]}"
    )


@dataclass(frozen=True, slots=True)
class _Band:
    """Plays into a mix."""

    sr: int
    mix: Doubles
    beats_per_bar: int
    rng: np.random.Generator

    def play_drums(self, style: str, beats_s: Doubles, beat_s: float) -> None:
        """Kick or snare and a hi-hat on each beat, a softer hi-hat after it."""
        offbeat = 2 / 3 if style == "shuffle" else 0.5
        for number, at_s in enumerate(beats_s):
            place = number % self.beats_per_bar
            is_kick = place == 0 or style == "dance" or (self.beats_per_bar, place) == (4, 2)
            self._add(at_s, self._kick() if is_kick else self._snare(), self.rng.uniform(0.7, 1))
            self._add(at_s, self._hat(), 0.4)
            self._add(at_s + offbeat * beat_s, self._hat(), self.rng.uniform(0.15, 0.35))

    def play_chords(self, beats_s: Doubles, beat_s: float, tonic: int, mode: int) -> None:
        """Chords of the key, a bar each, the tonic first; the bass on every beat."""
        degrees = [0, int(self.rng.choice([5, 3, 1])), 3, 4]
        for number, at_s in enumerate(beats_s):
            bar, place = divmod(number, self.beats_per_bar)
            degree = degrees[bar % 4]
            steps = [int(_SCALES[mode, (degree + up) % 7]) for up in (0, 2, 4)]
            if degree == 4 and mode:
                steps[1] += 1  # the leading note
            self._add(at_s, self._tone(36 + (tonic + steps[0]) % 12, 0.9 * beat_s), 0.5)
            if place == 0:
                for step in steps:
                    chord = self._tone(60 + (tonic + step) % 12, self.beats_per_bar * beat_s)
                    self._add(at_s, chord, 0.2)

    def _add(self, at_s: float, sound: Doubles, level: float) -> None:
        start = round(at_s * self.sr)
        end = min(len(self.mix), start + len(sound))
        self.mix[start:end] += level * sound[: end - start]

    def _kick(self) -> Doubles:
        t = np.arange(self.sr // 5) / self.sr
        return np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-30 * t)))) * np.exp(-18 * t)

    def _snare(self) -> Doubles:
        t = np.arange(self.sr // 6) / self.sr
        noise = 0.6 * self.rng.standard_normal(len(t)) * np.exp(-25 * t)
        return noise + 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-30 * t)

    def _hat(self) -> Doubles:
        noise = np.diff(self.rng.standard_normal(self.sr // 15), n=2, prepend=[0, 0])
        return 0.2 * noise * np.exp(-60 * np.arange(len(noise)) / self.sr)

    def _tone(self, pitch: int, duration_s: float) -> Doubles:
        """Six partials of a MIDI pitch that fade."""
        t = np.arange(round(duration_s * self.sr)) / self.sr
        hz = 440 * 2 ** ((pitch - 69) / 12)
        partials = [np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 7)]
        fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
        return np.sum(partials, axis=0) * np.exp(-1.5 * t / duration_s) * fade
