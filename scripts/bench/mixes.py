"""Long mixes of known music, with the truth about every second of them.

    python scripts/bench/mixes.py FOLDER --music FOLDER... [--mixes 3] [--tracks 20] [--seed 0]

Writes mix-1.mp3 ... to FOLDER, stereo at 44.1 kHz, and next to each a JSON file that says which
track is heard from when to when, from which second of it on, and how fast. Neighbours overlap in
a crossfade of equal power, 4 to 12 s long, and each track is changed by up to 6 %: half of them
in tempo alone (time stretch), half in speed (resampling). Nothing depends on anything but the
seed and the files.

--talk FOLDER: speech over the music, which is turned down meanwhile, about once in two tracks
--between FOLDER: unknown music before every third track, 20 to 60 s of it
--layers 2: two such mixes at once, at equal level
--outside: the music is none that the library holds: the truth is that nothing is known
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from fingerprinter.audio import find_audio, open_audio, read_samples
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.evaluation.degrade import stretched

SR = 16_000  # Hz at which it is mixed: all that a fingerprint hears
WRITTEN_SR = 44_100
LEVEL = 0.1  # RMS of each track, of full scale
FADES_S = (4.0, 12.0)
BETWEEN_S, BETWEEN_EVERY = (20.0, 60.0), 3
TALK_S, TALK_SHARE = (8.0, 20.0), 0.5
DUCKED, TALKING = 10 ** (-9 / 20), 10 ** (3 / 20)  # levels of music and speech, of its own

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Played:
    """A track in a mix, from the start of its fade in to the end of its fade out, in its seconds.

    path: None for music that is unknown
    offset_s: the second of the track that is heard at ``start_s``
    """

    path: str | None
    start_s: float
    end_s: float
    fade_in_s: float
    fade_out_s: float
    offset_s: float
    tempo: float
    pitch: float


@dataclass(frozen=True)
class Part:
    """A stretch of a track as it is played."""

    path: str
    known: bool
    samples: Samples
    offset_s: float
    warp: Warp


def at_level(samples: Samples, level: float) -> Samples:
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return samples * np.float32(level / max(rms, 1e-4))


def draw_warp(most: float, rng: np.random.Generator) -> Warp:
    """Half of them a tempo, half a speed, by up to so much."""
    factor = float(rng.uniform(1 - most, 1 + most))
    return Warp(factor, factor if rng.random() < 0.5 else 1.0)


def draw_part(
    path: Path, known: bool, longest_s: float, most: float, rng: np.random.Generator
) -> Part:
    """From any second of the track on, so that it fills the time if it can."""
    samples = read_samples(path)
    warp = draw_warp(most, rng)
    length = min(len(samples), round(longest_s * warp.tempo * SR))
    start = int(rng.integers(len(samples) - length + 1))
    changed = stretched(samples[start : start + length], warp)
    return Part(str(path), known, at_level(changed, LEVEL), start / SR, warp)


def long_enough(folders: Sequence[str], least_s: float) -> list[Path]:
    return [path for path in find_audio(folders) if (duration_s(path) or 0) >= least_s]


def duration_s(path: Path) -> float | None:
    with open_audio(path) as audio:
        return audio.duration_s


def draw_parts(given: argparse.Namespace, rng: np.random.Generator) -> Iterator[Part]:
    """The tracks of a mix in their order, no track twice, unknown ones between where wanted."""
    music = long_enough(given.music, given.least)
    between = long_enough(given.between or [], BETWEEN_S[1])
    for number, which in enumerate(rng.choice(len(music), given.tracks, replace=False)):
        if between and number % BETWEEN_EVERY == BETWEEN_EVERY - 1:
            stranger = between[int(rng.integers(len(between)))]
            yield draw_part(stranger, False, float(rng.uniform(*BETWEEN_S)), given.change, rng)
        yield draw_part(music[which], not given.outside, given.slot, given.change, rng)


def crossfaded(parts: Iterator[Part], rng: np.random.Generator) -> tuple[Samples, list[Played]]:
    """Parts one after the other, each two of them overlapping in a fade of equal power."""
    mix, played = np.empty(0, np.float32), list[Played]()
    for part in parts:
        fade = min(round(rng.uniform(*FADES_S) * SR), len(part.samples) // 3) if len(mix) else 0
        ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
        part.samples[:fade] *= ramp
        start = len(mix) - fade
        mix[start:] *= ramp[::-1]
        mix[start:] += part.samples[:fade]
        mix = np.concatenate([mix, part.samples[fade:]])
        if played:
            played[-1] = Played(**{**asdict(played[-1]), "fade_out_s": fade / SR})
        played.append(
            Played(
                path=part.path if part.known else None,
                start_s=start / SR,
                end_s=len(mix) / SR,
                fade_in_s=fade / SR,
                fade_out_s=0.0,
                offset_s=part.offset_s,
                tempo=part.warp.tempo,
                pitch=part.warp.pitch,
            )
        )
    return mix, played


def talked_over(
    mix: Samples, played: Sequence[Played], voices: Sequence[Path], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Speaks over the mix, in place; where, in seconds."""
    spoken = []
    for each in played:
        length_s = float(rng.uniform(*TALK_S))
        if rng.random() < TALK_SHARE and each.end_s - each.start_s > 3 * length_s:
            start_s = float(rng.uniform(each.start_s, each.end_s - length_s))
            speech = speak(voices, round(length_s * SR), rng)
            stretch = slice(round(start_s * SR), round(start_s * SR) + len(speech))
            mix[stretch] = mix[stretch] * np.float32(DUCKED) + speech
            spoken.append((start_s, start_s + length_s))
    return spoken


def speak(voices: Sequence[Path], length: int, rng: np.random.Generator) -> Samples:
    """Prompts one after the other."""
    said = np.empty(0, np.float32)
    while len(said) < length:
        said = np.concatenate([said, read_samples(voices[int(rng.integers(len(voices)))])])
    return at_level(said[:length], LEVEL * TALKING)


def make(given: argparse.Namespace, rng: np.random.Generator) -> tuple[Samples, dict[str, object]]:
    layers = [crossfaded(draw_parts(given, rng), rng) for _ in range(given.layers)]
    mix = np.zeros(max(len(samples) for samples, _ in layers), np.float32)
    for samples, _ in layers:
        mix[: len(samples)] += samples
    played = sorted((each for _, layer in layers for each in layer), key=lambda p: p.start_s)
    voices = list(find_audio(given.talk)) if given.talk else []
    spoken = talked_over(mix, played, voices, rng) if voices else []
    return mix, {"played": [asdict(each) for each in played], "talk": spoken}


def write(path: Path, mix: Samples) -> None:
    loud = 0.9 * mix / max(1e-3, float(np.abs(mix).max()))
    wide = soxr.resample(loud, SR, WRITTEN_SR)
    with soundfile.SoundFile(path, "w", WRITTEN_SR, 2, format="MP3") as file:
        for start in range(0, len(wide), WRITTEN_SR):
            file.write(np.repeat(wide[start : start + WRITTEN_SR, None], 2, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the mixes go")
    parser.add_argument("--music", nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--mixes", type=int, default=3)
    parser.add_argument("--tracks", type=int, default=20, help="in each mix")
    parser.add_argument("--slot", type=float, default=187.0, help="seconds of each at most")
    parser.add_argument("--least", type=float, default=60.0, help="seconds; shorter ones stay out")
    parser.add_argument("--change", type=float, default=0.06, help="of tempo or speed, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--talk", nargs="+", metavar="FOLDER")
    parser.add_argument("--between", nargs="+", metavar="FOLDER")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--outside", action="store_true", help="the library holds none of it")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, given.mixes + 1):
        mix, truth = make(given, np.random.default_rng([given.seed, number]))
        write(given.folder / f"mix-{number}.mp3", mix)
        text = json.dumps(truth, indent=1) + "\n"
        (given.folder / f"mix-{number}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
