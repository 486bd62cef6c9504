"""Makers of hostile files: small, and each with one thing wrong."""

from __future__ import annotations

import io
import struct
import wave

import av
import numpy as np
import numpy.typing as npt

SR = 44_100
SECONDS = 2


def tone() -> npt.NDArray[np.int16]:
    """Two seconds of a sine, (n,) int16."""
    t = np.arange(SECONDS * SR) / SR
    return np.round(8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)


def wav(
    behind: bytes = b"", before: bytes = b"", samples: npt.NDArray[np.int16] | None = None
) -> bytes:
    """A WAV file with further bytes behind its chunks, or in front of its data."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, SR, 0, "NONE", ""))
        writer.writeframes((tone() if samples is None else samples).tobytes())
    data = file.getvalue()
    at = data.index(b"data")
    return data[:at] + before + data[at:] + behind


def rifx(before: bytes) -> bytes:
    """A WAV file with the highest byte first, and further bytes in front of its data."""
    samples = tone().astype(">i2").tobytes()
    fmt = struct.pack(">4sIHHIIHH", b"fmt ", 16, 1, 1, SR, 2 * SR, 2, 16)
    chunks = b"WAVE" + fmt + before + struct.pack(">4sI", b"data", len(samples)) + samples
    return struct.pack(">4sI", b"RIFX", len(chunks)) + chunks


def m4a() -> bytes:
    """A whole MP4 file of AAC."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=SR)
        frame = av.AudioFrame.from_ndarray(tone()[None], format="s16", layout="mono")
        frame.sample_rate = SR
        for packets in (stream.encode(frame), stream.encode(None)):
            container.mux(packets)
    return file.getvalue()


def m4a_of_many_samples(n: int) -> bytes:
    """An MP4 file whose tables tell of n samples of one byte each in one chunk."""
    data = bytearray(m4a())
    stts, stsz, stsc = (data.index(name) + 4 for name in (b"stts", b"stsz", b"stsc"))
    struct.pack_into(">IIII", data, stts, 0, 1, n, 1024)  # flags, entries, samples, duration
    struct.pack_into(">III", data, stsz, 0, 1, n)  # flags, bytes of each sample, samples
    struct.pack_into(">IIIII", data, stsc, 0, 1, 1, n, 1)  # flags, entries, chunk, samples, kind
    return bytes(data)


def m4a_that_repeats(n: int) -> bytes:
    """An MP4 file whose edit list plays its two seconds n times."""
    data = m4a()  # its moov atom lies behind the samples, so that their positions stay
    at = data.index(b"elst") - 4
    old_bytes = int.from_bytes(data[at : at + 4], "big")
    entry = struct.pack(">IiI", 1000 * SECONDS, 0, 0x10000)  # ms of the movie, start, speed
    elst = struct.pack(">I4sII", 16 + n * len(entry), b"elst", 0, n) + n * entry
    changed = bytearray(data[:at] + elst + data[at + old_bytes :])
    for parent in (b"moov", b"trak", b"edts"):
        start = changed.index(parent) - 4
        old = int.from_bytes(changed[start : start + 4], "big")
        changed[start : start + 4] = (old + len(elst) - old_bytes).to_bytes(4, "big")
    return bytes(changed)


def flac_that_changes_to(sr: int, frames: int = 40) -> bytes:
    """A FLAC file of silence at 44.1 kHz whose second half has another rate in its frames."""
    total = (frames * 4096).to_bytes(5, "big")
    info = struct.pack(">HH", 4096, 4096) + bytes(6)
    packed = SR << 44 | 0 << 41 | 15 << 36 | int.from_bytes(total, "big")  # mono, 16 bit
    head = b"fLaC" + b"\x80" + (34).to_bytes(3, "big") + info + packed.to_bytes(8, "big")
    rates = [SR if number < frames // 2 else sr for number in range(frames)]
    return head + bytes(16) + b"".join(_flac_frame(*each) for each in enumerate(rates))


def _flac_frame(number: int, sr: int) -> bytes:
    """A frame of 4096 equal samples, with its rate in Hz (code 13) in the header."""
    header = bytes([0xFF, 0xF8, 0xC0 | 13, 0x08, number]) + sr.to_bytes(2, "big")
    header += _crc(header, 0x07, 8).to_bytes(1, "big")
    frame = header + bytes(3)  # a constant subframe: its type, and a sample of 0
    return frame + _crc(frame, 0x8005, 16).to_bytes(2, "big")


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value, top = 0, 1 << (bits - 1)
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & ((1 << bits) - 1)
    return value
