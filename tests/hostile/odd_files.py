"""Makers of whole files that are put together in an unusual way, and of damaged ones."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import soundfile

SR = 48_000
Samples = npt.NDArray[np.float32]


def noise(seconds: float, seed: int = 0) -> Samples:
    """Noise whose loudness walks, (n,): no two moments of it are alike."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SR)
    white = np.convolve(rng.standard_normal(n + 40), np.hanning(41), "valid")
    loudness = np.repeat(rng.uniform(0.2, 1.0, n // 1000 + 1), 1000)[:n]
    return (0.3 * white / np.abs(white).max() * loudness).astype(np.float32)


def encoded(
    container: str,
    codec: str,
    *tracks: Samples,
    sample_format: str = "s16",
    at_s: float = 0.0,
    gap_s: float = 0.0,
    default: int = 0,
    video_s: float = 0.0,
    sr: int = SR,
    **options: str,
) -> bytes:
    """A file with one sound track for each array, (n,) or (channels, n).

    at_s: time stamp of the first sample; gap_s: how far those of the second half lie behind the
    first half; default: number of the default track; video_s: length of a video beside the sound,
    none if 0; options: of the container
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as out:
        if video_s:
            video = out.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        streams = []
        for number, track in enumerate(tracks):
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(np.atleast_2d(track))]
            stream = out.add_stream(codec, rate=sr, layout=layout)
            stream.format, stream.bit_rate = sample_format, 128_000
            stream.disposition = av.stream.Disposition.default if number == default else 0
            streams.append((stream, np.atleast_2d(track), layout))
        black = np.zeros((64, 64, 3), np.uint8)
        for _ in range(round(10 * video_s)):
            out.mux(video.encode(av.VideoFrame.from_ndarray(black)))
        if video_s:
            out.mux(video.encode(None))
        for stream, track, layout in streams:
            convert = av.AudioResampler(sample_format, layout, sr)
            for start in range(0, track.shape[1], 4096):
                packed = np.ascontiguousarray(track[:, start : start + 4096].T).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
                frame.sample_rate, frame.time_base = sr, Fraction(1, sr)
                late_s = at_s + (gap_s if start > track.shape[1] // 2 else 0.0)
                frame.pts = start + round(late_s * sr)
                for converted in convert.resample(frame):
                    out.mux(stream.encode(converted))
            out.mux(stream.encode(None))
    return file.getvalue()


def vorbis(samples: Samples, sr: int = SR) -> bytes:
    """An Ogg Vorbis file; FFmpeg's own encoder makes stereo only."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", sr, 1, format="OGG", subtype="VORBIS") as out:
        for start in range(0, len(samples), 4096):
            out.write(samples[start : start + 4096])
    return file.getvalue()


def opus(samples: Samples) -> bytes:
    """An Ogg Opus file."""
    return encoded("ogg", "libopus", samples, sample_format="flt")


def with_id3v2(data: bytes, size: int = 300) -> bytes:
    """A file with an ID3v2 tag of a size in front of it."""
    frame = b"TIT2" + struct.pack(">I", size) + b"\0\0\0" + b"T" * (size - 1)
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + length + frame + data


def with_headers_twice(ogg: bytes) -> bytes:
    """An Ogg Vorbis file whose header pages stand a second time, at negative positions."""
    pages = list(_pages(ogg))
    headers = [page for page in pages if page[6:14] == bytes(8)]
    again = [_page(page, granule=-1000, flags=0) for page in headers]
    ordered = [*headers, *again, *pages[len(headers) :]]
    return b"".join(_page(page, number=number) for number, page in enumerate(ordered))


def _pages(ogg: bytes) -> list[bytes]:
    pages, at = [], 0
    while at < len(ogg):
        segments = ogg[at + 27 : at + 27 + ogg[at + 26]]
        end = at + 27 + len(segments) + sum(segments)
        pages.append(ogg[at:end])
        at = end
    return pages


def _page(
    page: bytes, number: int | None = None, granule: int | None = None, flags: int | None = None
) -> bytes:
    """A page with other values in its header, and a checksum that fits them."""
    changed = bytearray(page)
    if number is not None:
        changed[18:22] = struct.pack("<I", number)
    if granule is not None:
        changed[6:14] = struct.pack("<q", granule)
    if flags is not None:
        changed[5] = flags
    changed[22:26] = bytes(4)
    value = 0
    for byte in changed:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    changed[22:26] = struct.pack("<I", value)
    return bytes(changed)
