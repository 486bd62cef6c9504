"""How well tempo, beats, keys and sections are found: on music that is made, and on a folder.

    python scripts/measure_analysis.py                      # made from seeds: the truth is known
    python scripts/measure_analysis.py --folder ~/Music     # does it agree with itself?

Made music: bands of drums, bass and chords in five styles, keys and tempos from a seed; and pieces
of the tracks in `tests/music`, glued in a form. On a folder: whether both halves of a track have
one key and tempo, and whether a track played 12 % faster and higher has the key two semitones up
and the tempo 12 % up. One JSON object a line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import find_audio, read_samples
from fingerprinter.core.mir.keys import MODES, TONICS
from fingerprinter.embedding.beats import SR
from fingerprinter.errors import AudioError
from fingerprinter.library.music.analyze import analyze_music
from fingerprinter.types import Key, MusicAnalysis, Section

Floats = npt.NDArray[np.float64]

MUSIC = Path(__file__).resolve().parents[1] / "tests" / "music"
STYLES = ("rock", "dance", "waltz", "shuffle", "no drums")
FORMS = ("ABAB", "ABA", "ABCAB", "AB", "ABAC")
PIECE_S = (10.0, 16.0)
BEAT_S, BOUNDARY_S = 0.07, 1.5  # tolerances, as usual in the field
SEMITONES = 2


# Made music


@dataclass(frozen=True)
class Band:
    """A piece and what is true of it."""

    samples: Floats
    bpm: float
    beats_s: Floats
    key: str


def band(style: str, seed: int, duration_s: float = 30.0) -> Band:
    """Drums, bass and chords; the tempo is 60 to 190 bpm."""
    rng = np.random.default_rng(seed)
    bpm = float(np.exp(rng.uniform(np.log(60), np.log(190))))
    tonic, mode = int(rng.integers(12)), int(rng.integers(2))
    beats_s = np.arange(0.2, duration_s - 0.5, 60 / bpm)
    mix = np.zeros(round(duration_s * SR))
    play_drums(mix, style, beats_s, 60 / bpm, rng)
    play_chords(mix, 3 if style == "waltz" else 4, beats_s, 60 / bpm, (tonic, mode), rng)
    mix += 0.002 * rng.standard_normal(len(mix))
    return Band(0.3 * mix / np.abs(mix).max(), bpm, beats_s, f"{TONICS[tonic]} {MODES[mode]}")


def play_drums(mix: Floats, style: str, beats_s: Floats, beat_s: float, rng: Any) -> None:
    per_bar = 3 if style == "waltz" else 4
    offbeat = 2 / 3 if style == "shuffle" else 0.5
    for number, at_s in enumerate(beats_s):
        if style == "no drums":
            return
        place = number % per_bar
        strong = place == 0 or style == "dance" or (per_bar == 4 and place == 2)
        add(mix, at_s, kick() if strong else snare(rng), rng.uniform(0.7, 1))
        add(mix, at_s, hat(rng), 0.4)
        add(mix, at_s + offbeat * beat_s, hat(rng), rng.uniform(0.15, 0.35))


def kick() -> Floats:
    t = np.arange(SR // 5) / SR
    return np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-30 * t)))) * np.exp(-18 * t)


def snare(rng: Any) -> Floats:
    t = np.arange(SR // 6) / SR
    hiss = rng.standard_normal(len(t))
    return 0.6 * hiss * np.exp(-25 * t) + 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-30 * t)


def hat(rng: Any) -> Floats:
    hiss = np.diff(rng.standard_normal(SR // 15), n=2, prepend=[0, 0])
    return 0.2 * hiss * np.exp(-60 * np.arange(len(hiss)) / SR)


def play_chords(
    mix: Floats, per_bar: int, beats_s: Floats, beat_s: float, key: tuple[int, int], rng: Any
) -> None:
    """I, then chords of the key, IV or V at the end: a bar each; the bass on every beat."""
    tonic, mode = key
    scale = np.array([0, 2, 3, 5, 7, 8, 10] if mode else [0, 2, 4, 5, 7, 9, 11])
    degrees = [0, int(rng.choice([5, 3, 1])), 3, 4]
    for number, at_s in enumerate(beats_s):
        bar, place = divmod(number, per_bar)
        degree = degrees[bar % 4]
        steps = [int(scale[(degree + up) % 7]) for up in (0, 2, 4)]
        if degree == 4 and mode:
            steps[1] += 1  # the leading note
        add(mix, at_s, tone(36 + (tonic + steps[0]) % 12, 0.9 * beat_s), 0.5)
        if place == 0:
            for step in steps:
                add(mix, at_s, tone(60 + (tonic + step) % 12, per_bar * beat_s), 0.2)


def tone(pitch: int, duration_s: float) -> Floats:
    t = np.arange(round(duration_s * SR)) / SR
    hz = 440 * 2 ** ((pitch - 69) / 12)
    partials = (np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 7))
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
    return np.sum(list(partials), axis=0) * np.exp(-1.5 * t / duration_s) * fade


def add(mix: Floats, at_s: float, sound: Floats, level: float) -> None:
    start = round(at_s * SR)
    end = min(len(mix), start + len(sound))
    mix[start:end] += level * sound[: end - start]


def measure_bands(each: int) -> Iterator[dict[str, Any]]:
    for style in STYLES:
        rows = [band_row(band(style, 100 * STYLES.index(style) + n)) for n in range(each)]
        means = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}
        yield {"made": style, "pieces": each, **means}


def band_row(piece: Band) -> dict[str, float]:
    found = analyze_music((piece.samples, SR)).analysis
    ratio = (found.tempo_bpm or 0) / piece.bpm
    return {
        "tempo": near(ratio, 1),
        "tempo_or_octave": max(near(ratio, factor) for factor in (1 / 3, 0.5, 1, 2, 3)),
        "beat_f": f_measure(np.array(found.beats_s), piece.beats_s, BEAT_S),
        "key": found.key is not None and found.key.name == piece.key,
        "key_mirex": key_score(found.key, piece.key),
    }


def near(ratio: float, wanted: float, tolerance: float = 0.02) -> bool:
    return abs(ratio / wanted - 1) <= tolerance


def f_measure(found: Floats, true: Floats, tolerance: float) -> float:
    """Each true one may be met once."""
    left, hits = list(found), 0
    for moment in true:
        close = [other for other in left if abs(other - moment) <= tolerance]
        if close:
            left.remove(close[0])
            hits += 1
    return 2 * hits / max(1, len(found) + len(true))


def key_score(found: Key | None, true: str) -> float:
    """As MIREX weighs: the fifth counts half, the relative 0.3, the parallel 0.2."""
    if found is None:
        return 0.0
    tonic, mode = true.split()
    up = (TONICS.index(found.tonic) - TONICS.index(tonic)) % 12
    if found.mode == mode:
        return {0: 1.0, 7: 0.5, 5: 0.5}.get(up, 0.0)
    return {0: 0.2, (9 if mode == "major" else 3): 0.3}.get(up, 0.0)


# Glued pieces


def measure_forms(count: int) -> Iterator[dict[str, Any]]:
    """Pieces of three tracks at one level; alike are pieces of one track, which differ."""
    rng = np.random.default_rng(0)
    tracks = [read_samples(path, SR) for path in find_audio([MUSIC])]
    rows = [form_row(FORMS[n % len(FORMS)], tracks, rng) for n in range(count)]
    boundary, pairs = np.mean(rows, axis=0)
    yield {
        "made": "glued forms",
        "pieces": count,
        "boundary_f": round(float(boundary), 3),
        "pairwise_f": round(float(pairs), 3),
    }


def form_row(form: str, tracks: list[Any], rng: Any) -> tuple[float, float]:
    chosen = rng.permutation(len(tracks))[:3]
    parts, true, at_s = [], [], 0.0
    for letter in form:
        length_s = float(rng.uniform(*PIECE_S))
        track = tracks[chosen["ABC".index(letter)]]
        start = int(rng.integers(len(track) - round(length_s * SR)))
        part = track[start : start + round(length_s * SR)]
        parts.append(part * 0.1 / np.sqrt(np.mean(part**2)))
        true.append(Section(at_s, at_s + length_s, letter))
        at_s += length_s
    found = analyze_music((np.concatenate(parts), SR)).analysis.sections
    edges = [np.array([part.start_s for part in some[1:]]) for some in (found, true)]
    return f_measure(*edges, BOUNDARY_S), pairwise(found, tuple(true), at_s)


def pairwise(found: tuple[Section, ...], true: tuple[Section, ...], end_s: float) -> float:
    """Whether pairs of moments that are alike in one are so in the other: F."""
    moments = np.arange(0.25, end_s, 0.5)
    same = []
    for some in (found, true):
        labels = [next(p.label for p in reversed(some) if p.start_s <= at) for at in moments]
        same.append(
            {(a, b) for a, b in combinations(range(len(labels)), 2) if labels[a] == labels[b]}
        )
    return 2 * len(same[0] & same[1]) / max(1, len(same[0]) + len(same[1]))


# Music of others


def measure_folder(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Two halves, and another speed, of some tracks."""
    rng = np.random.default_rng(0)
    paths = sorted(find_audio([folder]))
    rows = []
    for number in rng.permutation(len(paths))[:count]:
        try:
            rows.append(track_row(read_samples(paths[number], SR)[: 180 * SR]))
        except AudioError as error:
            yield {"file": paths[number].name, "error": str(error)}
    yield {"folder": len(rows)} | {
        name: shares([row[name] for row in rows]) for name in (rows[0] if rows else {})
    }


def shares(values: list[bool | None]) -> dict[str, float | int]:
    known = [value for value in values if value is not None]
    return {"share": round(float(np.mean(known)), 3) if known else 0.0, "of": len(known)}


def track_row(samples: npt.NDArray[np.float32]) -> dict[str, bool | None]:
    middle = len(samples) // 2
    one, two = (analyze_music((half, SR)).analysis for half in (samples[:middle], samples[middle:]))
    faster = analyze_music((samples[:middle], round(SR * 2 ** (SEMITONES / 12)))).analysis
    return {
        "halves_same_key": same_key(one, two, 0),
        "shifted_same_key": same_key(one, faster, SEMITONES),
        "halves_same_tempo": same_tempo(one, two, 1.0),
        "faster_same_tempo": same_tempo(one, faster, 2 ** (SEMITONES / 12)),
    }


def same_key(one: MusicAnalysis, other: MusicAnalysis, up: int) -> bool | None:
    if one.key is None or other.key is None:
        return None
    moved = (TONICS.index(one.key.tonic) + up) % 12
    return (TONICS[moved], one.key.mode) == (other.key.tonic, other.key.mode)


def same_tempo(one: MusicAnalysis, other: MusicAnalysis, factor: float) -> bool | None:
    if one.tempo_bpm is None or other.tempo_bpm is None:
        return None
    return near(other.tempo_bpm / one.tempo_bpm, factor, 0.04)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="music of others, instead")
    parser.add_argument("--count", type=int, default=12, help="pieces of a kind, or tracks")
    arguments = parser.parse_args()
    found = (
        measure_folder(arguments.folder, arguments.count)
        if arguments.folder
        else chain(measure_bands(arguments.count), measure_forms(2 * arguments.count))
    )
    for record in found:
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
