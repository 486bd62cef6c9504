"""Changed copies of recordings: other encodings, trims, edits, speeds, and mixes of several.

Each copy knows which second of which original sounds at each of its own seconds, so that an
answer can be checked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr

from fingerprinter.audio import read_samples
from fingerprinter.types import Track

SR = 44_100  # Hz
SHORTEST_S = 90.0  # of a track: edits of 20 s leave enough on both sides
_MIXED = 4  # tracks in a mix
_CONTAINERS = {"opus": "ogg", "m4a": "mp4"}

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage of a copy and where its original has it, each in its own seconds."""

    copy_s: float
    original_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed recording: its samples, where its passages come from, and its speed."""

    samples: Samples
    pieces: Sequence[Piece]
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Copy:
    """A file made of other recordings.

    Attributes
    ----------
    path
        The file.
    originals
        Ids of the tracks that it was made of: one for each piece, or one for all.
    pieces
        Its passages, in their order.
    speed
        Speed of the copy relative to the original, as a factor.
    """

    path: Path
    originals: Sequence[int]
    pieces: Sequence[Piece]
    speed: float = 1.0

    def source(self, at_s: float) -> tuple[int, float] | None:
        """The original and its second that sound at a second; ``None`` in inserted music."""
        for number, piece in enumerate(self.pieces):
            if -0.01 <= at_s - piece.copy_s <= piece.length_s + 0.01:
                original = self.originals[min(number, len(self.originals) - 1)]
                return original, piece.original_s + (at_s - piece.copy_s) * self.speed
        return None


# A change gets the samples of a track, those of another one to insert from, and a generator.
Change = Callable[[Samples, Samples, np.random.Generator], Changed]


@dataclass(frozen=True, slots=True)
class CopyKind:
    """A kind of copy: how the sound is changed, and how it is encoded."""

    name: str
    change: Change
    suffix: str
    codec: str
    bit_rate: int = 0
    sr: int = SR


def _part(samples: Samples, start_s: float, end_s: float) -> Samples:
    return samples[round(start_s * SR) : round(end_s * SR)]


def _whole(samples: Samples, gain: float = 1.0) -> Changed:
    return Changed(samples * np.float32(gain), [Piece(0, 0, len(samples) / SR)])


def _equalised(samples: Samples, _: Samples, __: np.random.Generator) -> Changed:
    """Tilt the spectrum: +6 dB at 60 Hz, 0 at 600 Hz, -6 dB at 6 kHz."""
    spectrum = np.fft.rfft(samples)
    decades = np.log10(np.clip(np.fft.rfftfreq(len(samples), 1 / SR), 60, 6000) / 600)
    tilted = np.fft.irfft(spectrum * 10 ** (-6 * decades / 20), len(samples))
    return _whole(tilted.astype(np.float32), 0.5)


def _trimmed(samples: Samples, _: Samples, __: np.random.Generator) -> Changed:
    """Remove 20 s from both ends."""
    end_s = len(samples) / SR - 20
    return Changed(_part(samples, 20, end_s), [Piece(0, 20, end_s - 20)])


def _excerpt(samples: Samples, _: Samples, rng: np.random.Generator) -> Changed:
    """Keep 30 s from anywhere."""
    start_s = rng.uniform(0, len(samples) / SR - 30)
    return Changed(_part(samples, start_s, start_s + 30), [Piece(0, start_s, 30)])


def _spliced(skipped_s: float, inserted_s: float = 0.0) -> Change:
    """A change in the middle: seconds that are skipped (below 0: repeated), or inserted."""

    def change(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
        end_s = len(samples) / SR
        at_s = rng.uniform(0.35, 0.65) * (end_s - 20)
        inserted = _part(other, 30, 30 + inserted_s)
        resumed_s = at_s + skipped_s
        joined = np.concatenate(
            [_part(samples, 0, at_s), inserted, _part(samples, resumed_s, end_s)]
        )
        behind = Piece(at_s + len(inserted) / SR, resumed_s, end_s - resumed_s)
        return Changed(joined, [Piece(0, 0, at_s), behind])

    return change


def _at_speed(low: float, high: float) -> Change:
    """Another speed, drawn from a range of factors."""

    def change(samples: Samples, _: Samples, rng: np.random.Generator) -> Changed:
        speed = rng.uniform(low, high)
        changed = soxr.resample(samples, SR * speed, SR)
        return Changed(changed, [Piece(0, 0, len(samples) / SR / speed)], speed)

    return change


KINDS: tuple[CopyKind, ...] = (
    CopyKind("mp3-64k", lambda samples, *_: _whole(samples), "mp3", "libmp3lame", 64_000),
    CopyKind("opus-48k", lambda samples, *_: _whole(samples), "opus", "libopus", 48_000, 48_000),
    CopyKind("8-khz", lambda samples, *_: _whole(samples), "wav", "pcm_s16le", sr=8_000),
    CopyKind("gain-20dB", lambda samples, *_: _whole(samples, 0.1), "flac", "flac"),
    CopyKind("eq", _equalised, "mp3", "libmp3lame", 128_000),
    CopyKind("trim-20s", _trimmed, "mp3", "libmp3lame", 96_000),
    CopyKind("excerpt-30s", _excerpt, "opus", "libopus", 64_000, 48_000),
    CopyKind("cut-20s", _spliced(20.0), "m4a", "aac", 96_000),
    CopyKind("repeat-20s", _spliced(-20.0), "mp3", "libmp3lame", 128_000),
    CopyKind("insert-15s", _spliced(0.0, 15.0), "opus", "libopus", 64_000, 48_000),
    CopyKind("speed+1%", _at_speed(1.01, 1.01), "flac", "flac"),
    CopyKind("speed-any", _at_speed(0.955, 1.045), "mp3", "libmp3lame", 128_000),
    CopyKind("mix", lambda samples, *_: _whole(samples), "mp3", "libmp3lame", 96_000),
)


def make_copies(kind: CopyKind, tracks: Sequence[Track], folder: Path, seed: int) -> Iterator[Copy]:
    """Write copies of one kind of all tracks; of the kind ``mix``, one of each four tracks.

    Raises `AudioError` where a track cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if kind.name == "mix":
        for start in range(0, len(tracks), _MIXED):
            yield _make_mix(kind, tracks[start : start + _MIXED], folder)
        return
    other = read_samples(str(tracks[-1].path), SR)
    for track in tracks:
        samples = read_samples(str(track.path), SR)
        rng = np.random.default_rng([seed, track.id, zlib.crc32(kind.name.encode())])
        changed = kind.change(samples, other, rng)
        path = folder / f"{track.id}.{kind.suffix}"
        encode(path, changed.samples, kind)
        yield Copy(path, [track.id], changed.pieces, changed.speed)
        other = samples


def _make_mix(kind: CopyKind, tracks: Sequence[Track], folder: Path) -> Copy:
    """Write tracks one after the other into one file."""
    parts = [read_samples(str(track.path), SR) for track in tracks]
    lengths_s = [len(part) / SR for part in parts]
    starts_s = np.cumsum([0.0, *lengths_s[:-1]]).tolist()
    pieces = [Piece(at, 0, length) for at, length in zip(starts_s, lengths_s, strict=True)]
    path = folder / f"{tracks[0].id}.{kind.suffix}"
    encode(path, np.concatenate(parts), kind)
    return Copy(path, [track.id for track in tracks], pieces)


def encode(path: Path, samples: Samples, kind: CopyKind) -> None:
    """Write mono samples at `SR` as the file of a kind; what would clip is turned down."""
    samples = soxr.resample(samples, SR, kind.sr) if kind.sr != SR else samples
    peak = max(1.0, float(np.abs(samples).max()) * 1.02)
    # The encoders' fastest search: how well they hide what they leave out is not the question.
    options = {"b": str(kind.bit_rate), "compression_level": "5"} if kind.bit_rate else {}
    with av.open(str(path), "w", format=_CONTAINERS.get(kind.suffix, kind.suffix)) as output:
        stream = output.add_stream(kind.codec, rate=kind.sr, layout="mono", options=options)
        assert isinstance(stream, av.AudioStream)
        for start in range(0, len(samples), kind.sr):
            block = np.ascontiguousarray(samples[start : start + kind.sr] / np.float32(peak))
            frame = av.AudioFrame.from_ndarray(block[None], "fltp", "mono")
            frame.sample_rate, frame.pts = kind.sr, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
