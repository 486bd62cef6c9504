"""Seeded synthetic music for `tests/golden/golden_answers.py`: melodies, chords, bass and drums.

Nothing here comes from the package, so that changes of the package cannot change the music. The
samples are rounded to 16 bits, which hides the last bits in which processors differ.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mutagen.id3
import mutagen.wave
import numpy as np
import numpy.typing as npt
import soxr

SR = 22_050
SEED = 20_240_917
SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 2, 4, 7, 9, 12, 14),
    (0, 1, 4, 5, 7, 8, 11),
)
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (1, 4, 0, 0), (0, 3, 0, 4), (5, 3, 0, 4))
ARTISTS = (
    "Amber Quartet",
    "Blue Lanterns",
    "Copper Field",
    "Distant Harbour",
    "Evening Choir",
    "Field Notes",
    "Glass Animals Club",
)
GENRES = ("Rock", "Jazz", "Electronic", "Folk", "Classical")
ADJECTIVES = ("Quiet", "Golden", "Broken", "Silver", "Northern", "Hidden")
NOUNS = ("River", "Morning", "Machine", "Garden", "Signal", "Winter", "Street")

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """How an instrument sounds: its partials, their strengths, and how fast it decays."""

    partials: int
    falling: float
    decay_s: float
    stiffness: float

    @classmethod
    def draw(cls, rng: np.random.Generator, shortest_s: float, longest_s: float) -> Voice:
        """Draws an instrument whose notes decay in a time between the given ones."""
        return cls(
            int(rng.integers(2, 10)),
            float(rng.uniform(0.4, 2.2)),
            float(rng.uniform(shortest_s, longest_s)),
            float(rng.uniform(0.0, 0.0015)),
        )

    def note(self, midi: int) -> Doubles:
        """Returns one note, at most 1.5 s long; the same array for the same voice and pitch."""
        return _note(self, midi)


@cache
def _note(voice: Voice, midi: int) -> Doubles:
    hertz = 440 * 2 ** ((midi - 69) / 12)
    time_s = np.arange(round(min(1.5, 4 * voice.decay_s) * SR)) / SR
    sound = np.zeros(len(time_s))
    for k in range(1, voice.partials + 1):
        partial_hz = hertz * k * np.sqrt(1 + voice.stiffness * k * k)
        if partial_hz < 0.45 * SR:
            decay = np.exp(-time_s * (1 + 0.3 * (k - 1)) / voice.decay_s)
            sound += k**-voice.falling * np.sin(2 * np.pi * partial_hz * time_s) * decay
    return sound * np.minimum(1, time_s * 300)


@dataclass(frozen=True)
class Score:
    """What a piece is made of. A step is a quarter of a beat."""

    step_s: float
    root: int
    scale: tuple[int, ...]
    chords: tuple[int, ...]
    lead: Voice
    pad: Voice
    bass: Voice
    density: float
    drums: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Score:
        """Draws tempo, key, scale, chords, instruments and how busy they are."""
        return cls(
            60 / float(rng.uniform(70, 170)) / 4,
            int(rng.integers(36, 48)),
            SCALES[int(rng.integers(len(SCALES)))],
            PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))],
            Voice.draw(rng, 0.1, 0.6),
            Voice.draw(rng, 0.5, 1.5),
            Voice.draw(rng, 0.15, 0.5),
            float(rng.uniform(0.25, 0.8)),
            float(rng.choice([0.0, 0.2, 0.5, 0.9])),
        )

    def pitch(self, degree: int) -> int:
        """Returns the MIDI number of a degree of the scale; degrees go on in the next octave."""
        octave, step = divmod(degree, len(self.scale))
        return self.root + 12 * octave + self.scale[step]


class Canvas:
    """A piece while it is being written."""

    def __init__(self, duration_s: float) -> None:
        self.samples = np.zeros(round(duration_s * SR))

    def add(self, sound: Doubles, at_s: float, level: float) -> None:
        """Adds a sound at a time; what lies beyond the end of the piece is cut off."""
        start = round(at_s * SR)
        end = min(len(self.samples), start + len(sound))
        if start < end:
            self.samples[start:end] += level * sound[: end - start]


def compose(number: int, duration_s: float) -> Doubles:
    """Returns the piece of a number, with its peak at 0.6 of full scale."""
    rng = np.random.default_rng([SEED, number])
    score, canvas = Score.draw(rng), Canvas(duration_s)
    themes = [_theme(score, rng) for _ in range(3)]
    struck = _drums(rng)
    bar_s = 16 * score.step_s
    for bar in range(int(duration_s / bar_s) + 1):
        chord = score.chords[bar % len(score.chords)]
        _accompany(canvas, score, chord, bar * bar_s, rng)
        _sing(canvas, score, themes[(bar // 4) % 3][bar % 2], bar * bar_s, rng)
        _beat(canvas, score, struck, bar * bar_s, rng)
    return 0.6 * canvas.samples / np.abs(canvas.samples).max()


def _theme(score: Score, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
    """Draws two bars of a melody: the steps on which a note begins, and its degree."""
    bars, degree = [], int(rng.integers(14, 21))
    for _ in range(2):
        bar = []
        for step in range(0, 16, 2):
            if rng.random() < score.density:
                degree = int(np.clip(degree + rng.integers(-3, 4), 12, 27))
                bar.append((step, degree))
        bars.append(bar)
    return bars


def _accompany(
    canvas: Canvas, score: Score, chord: int, at_s: float, rng: np.random.Generator
) -> None:
    """Writes a bar of chords and bass."""
    for half in range(2):
        for third in (0, 2, 4):
            note = score.pad.note(score.pitch(7 + chord + third))
            canvas.add(note, at_s + 8 * half * score.step_s, 0.25)
    for beat in range(4):
        if rng.random() < 0.8:
            canvas.add(score.bass.note(score.pitch(chord)), at_s + 4 * beat * score.step_s, 0.5)


def _sing(
    canvas: Canvas,
    score: Score,
    bar: Sequence[tuple[int, int]],
    at_s: float,
    rng: np.random.Generator,
) -> None:
    """Writes a bar of a melody; some of its notes are ornamented."""
    for step, degree in bar:
        varied = degree + (int(rng.integers(-1, 2)) if rng.random() < 0.15 else 0)
        level = float(rng.uniform(0.4, 0.9))
        canvas.add(score.lead.note(score.pitch(varied)), at_s + step * score.step_s, level)


def _drums(rng: np.random.Generator) -> list[Doubles]:
    """Draws a kick, a snare and a hat."""
    time_s = np.arange(round(0.25 * SR)) / SR
    kick_hz, noise = rng.uniform(45, 70), rng.standard_normal(len(time_s))
    kick = np.sin(2 * np.pi * kick_hz * time_s * (1 + 0.5 * np.exp(-time_s / 0.02)))
    tone = np.sin(2 * np.pi * rng.uniform(160, 240) * time_s)
    return [
        kick * np.exp(-time_s / 0.09),
        (0.6 * noise + 0.4 * tone) * np.exp(-time_s / rng.uniform(0.04, 0.1)),
        np.diff(noise, prepend=0.0) * np.exp(-time_s / rng.uniform(0.01, 0.04)),
    ]


def _beat(
    canvas: Canvas, score: Score, struck: Sequence[Doubles], at_s: float, rng: np.random.Generator
) -> None:
    """Writes a bar of drums."""
    kick, snare, hat = struck
    for step in range(0, 16, 2):
        if step % 8 == 0 or rng.random() < 0.1:
            canvas.add(kick, at_s + step * score.step_s, score.drums)
        if step % 8 == 4:
            canvas.add(snare, at_s + step * score.step_s, 0.6 * score.drums)
        canvas.add(hat, at_s + step * score.step_s, 0.2 * score.drums * rng.random())


def write(path: Path, samples: Doubles, tags: dict[str, str] | None = None) -> Path:
    """Writes a WAV of 16 bits, with ID3 tags by the names of their frames."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SR)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    if tags:
        tagged: Any = mutagen.wave.WAVE(path)  # type: ignore[no-untyped-call]
        tagged.add_tags()
        for name, text in tags.items():
            tagged.tags.add(getattr(mutagen.id3, name)(encoding=3, text=[text]))
        tagged.save()
    return path


def tags_of(number: int) -> dict[str, str]:
    """Returns made-up tags for the piece of a number."""
    title = f"{ADJECTIVES[number % len(ADJECTIVES)]} {NOUNS[number % len(NOUNS)]}"
    return {
        "TIT2": title,
        "TPE1": ARTISTS[number % len(ARTISTS)],
        "TALB": f"Album {number % 9}",
        "TCON": GENRES[number % len(GENRES)],
        "TDRC": str(1980 + number),
    }


def write_pieces(folder: Path, numbers: range) -> list[Path]:
    """Writes the pieces of some numbers, each 30 to 60 s long."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in numbers:
        duration_s = 30 + 30 * float(np.random.default_rng([SEED, number, 1]).random())
        samples = compose(number, duration_s)
        paths.append(write(folder / f"piece-{number:02d}.wav", samples, tags_of(number)))
        _note.cache_clear()
    return paths


def write_copies(folder: Path, pieces: Sequence[Path]) -> list[Path]:
    """Writes a noisy copy, a faster copy and a part of the first three pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    first, second, third = (_read(path) for path in pieces[:3])
    hiss = np.random.default_rng([SEED, 1000]).standard_normal(len(first))
    return [
        write(folder / "copy-noisy.wav", 0.7 * first + 0.003 * hiss, {"TIT2": "Noisy Copy"}),
        write(folder / "copy-faster.wav", soxr.resample(second, SR, SR / 1.03)),
        write(folder / "copy-part.wav", third[4 * SR : 27 * SR], {"TIT2": "A Part"}),
    ]


def _read(path: Path) -> Doubles:
    with wave.open(str(path), "rb") as file:
        frames = file.readframes(file.getnframes())
    return np.frombuffer(frames, "<i2").astype(np.float64) / 32_767
