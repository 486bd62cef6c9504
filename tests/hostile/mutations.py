"""Damaged copies of music in many formats. Each is made from a number and is the same each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from odd_files import Samples, encoded, vorbis

from fingerprinter.audio import read_samples

MUSIC = Path(__file__).resolve().parents[1] / "music"
TRACKS = sorted(path.stem for path in MUSIC.glob("*.o*"))
START_S, SECONDS, SR = 10, 5, 48_000

Mutation = Callable[[np.random.Generator, bytearray], None]


class Format(NamedTuple):
    """A format that FFmpeg writes."""

    suffix: str
    container: str
    codec: str
    sample_format: str = "s16"
    sr: int = SR
    video_s: float = 0.0


FORMATS = [
    Format("wav", "wav", "pcm_s16le"),
    Format("w64", "w64", "pcm_s16le"),
    Format("aiff", "aiff", "pcm_s16be"),
    Format("au", "au", "pcm_s16be"),
    Format("caf", "caf", "pcm_s16le"),
    Format("voc", "voc", "pcm_u8", "u8"),
    Format("flac", "flac", "flac"),
    Format("oga", "ogg", "flac"),
    Format("ogg", "ogg", "vorbis", "fltp"),
    Format("opus", "ogg", "libopus"),
    Format("webm", "webm", "libopus"),
    Format("mka", "matroska", "flac"),
    Format("mkv", "matroska", "ac3", "fltp", video_s=SECONDS),
    Format("m4a", "ipod", "aac", "fltp"),
    Format("mov", "mov", "alac", "s16p"),
    Format("3gp", "3gp", "aac", "fltp"),
    Format("mp4", "mp4", "aac", "fltp", video_s=SECONDS),
    Format("mp3", "mp3", "libmp3lame", "fltp"),
    Format("mp2", "mp2", "mp2"),
    Format("aac", "adts", "aac", "fltp"),
    Format("ac3", "ac3", "ac3", "fltp"),
    Format("eac3", "eac3", "eac3", "fltp"),
    Format("ts", "mpegts", "mp2"),
    Format("wma", "asf", "wmav2", "fltp"),
    Format("wv", "wv", "wavpack", "s16p"),
    Format("tta", "tta", "tta"),
    Format("avi", "avi", "libmp3lame", "fltp", video_s=SECONDS),
    Format("flv", "flv", "libmp3lame", "fltp", 44_100),
    Format("rm", "rm", "ac3", "fltp", 44_100),
    Format("nut", "nut", "flac"),
]


@cache
def excerpt(track: str, sr: int) -> Samples:
    """Five seconds of one of the ten tracks, (n,)."""
    (path,) = MUSIC.glob(f"{track}.*")
    return read_samples(path, sr)[START_S * sr : (START_S + SECONDS) * sr]


@cache
def transcoded(track: str, to: Format) -> bytes:
    """The excerpt of a track in a format."""
    samples = excerpt(track, to.sr)
    if to.codec == "vorbis":
        return vorbis(samples, to.sr)
    return encoded(
        to.container,
        to.codec,
        samples,
        sample_format=to.sample_format,
        sr=to.sr,
        video_s=to.video_s,
    )


def _part(rng: np.random.Generator, data: bytearray) -> slice:
    """A part of up to a quarter of a file; short ones are as likely as long ones."""
    length = int(np.exp(rng.uniform(0, np.log(len(data) / 4 + 2))))
    start = int(rng.integers(len(data) + 1))
    return slice(start, start + length)


def flip_bits(rng: np.random.Generator, data: bytearray) -> None:
    """Invert up to 64 bits, of the whole file or near its beginning."""
    reach = len(data) if rng.random() < 0.5 else min(len(data), 1024)
    for at in rng.integers(reach, size=rng.integers(1, 65)):
        data[at] ^= 1 << int(rng.integers(8))


def truncate(rng: np.random.Generator, data: bytearray) -> None:
    """Cut the end off."""
    del data[int(rng.integers(1, len(data) + 1)) :]


def duplicate(rng: np.random.Generator, data: bytearray) -> None:
    """Repeat a part somewhere."""
    at = int(rng.integers(len(data) + 1))
    data[at:at] = data[_part(rng, data)]


def drop(rng: np.random.Generator, data: bytearray) -> None:
    """Leave a part out."""
    part = _part(rng, data)
    if len(data[part]) < len(data):
        del data[part]


def overwrite(rng: np.random.Generator, data: bytearray) -> None:
    """Replace a part by zeros or by random bytes."""
    part = _part(rng, data)
    n = len(data[part])
    data[part] = bytes(n) if rng.random() < 0.5 else rng.bytes(n)


def huge_sizes(rng: np.random.Generator, data: bytearray) -> None:
    """Write numbers that are far too large, or 0, where headers tell of sizes."""
    numbers = [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80" + bytes(3)]
    for at in rng.integers(min(len(data), 512), size=rng.integers(1, 5)):
        data[at & ~1 : (at & ~1) + 4] = numbers[int(rng.integers(len(numbers)))]


def swap_header(rng: np.random.Generator, data: bytearray) -> None:
    """Replace the beginning by that of another format."""
    other = transcoded(TRACKS[0], FORMATS[int(rng.integers(len(FORMATS)))])
    n = int(np.exp(rng.uniform(np.log(4), np.log(4096))))
    data[:n] = other[:n]


MUTATIONS: list[Mutation] = [
    flip_bits, truncate, duplicate, drop, overwrite, huge_sizes, swap_header,
]  # fmt: skip


def mutant(number: int) -> tuple[str, bytes]:
    """The name of a damaged file, which begins with that of its track, and the bytes of it."""
    rng = np.random.default_rng(number)
    # In an ordinary run each format appears a few times, so that few are to be encoded.
    form = FORMATS[number % len(FORMATS)]
    track = TRACKS[number // len(FORMATS) * 3 % len(TRACKS)]
    data = bytearray(transcoded(track, form))
    for at in rng.integers(len(MUTATIONS), size=rng.integers(1, 4)):
        MUTATIONS[at](rng, data)
    return f"{track}.{number}.{form.suffix}", bytes(data)
