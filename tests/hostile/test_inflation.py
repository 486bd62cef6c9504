"""Compressed tags that grow to gigabytes."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import psutil
import pytest
from odd_files import encoded, noise

from fingerprinter.audio import read_cover, read_tags
from fingerprinter.audio.cue_sheet import embedded_tracks
from fingerprinter.audio.inflation import limited_inflation

MIB = 1 << 20
PICTURE = b"\0image/png\0\3\0\x89PNG"


def compressed(head: bytes, zeros: int) -> bytes:
    expander = zlib.compressobj(9)
    parts = [expander.compress(head), *(expander.compress(bytes(MIB)) for _ in range(zeros))]
    return b"".join(parts) + expander.flush()


def frame(name: bytes, data: bytes, *, version: int, is_compressed: bool) -> bytes:
    if version == 3:
        flags = b"\0\x80" if is_compressed else b"\0\0"
        body = (struct.pack(">I", 1000) if is_compressed else b"") + data
        return name + struct.pack(">I", len(body)) + flags + body
    body = (syncsafe(1000) if is_compressed else b"") + data
    return name + syncsafe(len(body)) + (b"\0\x09" if is_compressed else b"\0\0") + body


def syncsafe(n: int) -> bytes:
    return bytes(n >> shift & 127 for shift in (21, 14, 7, 0))


def tag(frames: bytes, version: int) -> bytes:
    return b"ID3" + bytes([version, 0, 0]) + syncsafe(len(frames)) + frames


def tagged(folder: Path, container: str, frames: bytes, version: int) -> Path:
    path = folder / f"a.{container}"
    if container == "mp3":
        sound = encoded("mp3", "libmp3lame", noise(1.0), sample_format="fltp", write_id3v1="0")
        path.write_bytes(tag(frames, version) + sound[sound.find(b"\xff\xfb") :])
    else:
        sound, chunk = encoded("wav", "pcm_s16le", noise(1.0)), tag(frames, version)
        chunk += bytes(len(chunk) % 2)
        body = sound[8:] + b"id3 " + struct.pack("<I", len(chunk)) + chunk
        path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("container", ["mp3", "wav"])
def test_a_frame_that_grows_to_hundreds_of_megabytes(
    tmp_path: Path, container: str, version: int
) -> None:
    """Its 200 MB took many times as much memory, in the process of the service, too."""
    bombs = ((b"TIT2", b"\0"), (b"APIC", PICTURE), (b"TXXX", b"\0CUESHEET\0"))
    frames = frame(b"TPE1", b"\0Artist", version=version, is_compressed=False)
    for name, head in bombs:
        frames += frame(name, compressed(head, 200), version=version, is_compressed=True)
    path = tagged(tmp_path, container, frames, version)
    before, start = psutil.Process().memory_info().rss, time.process_time()
    tags = read_tags(path)
    assert (tags.title, tags.artist) == (None, "Artist")
    assert read_cover(path) is None
    assert embedded_tracks(path) == ()
    assert time.process_time() - start < 5
    assert psutil.Process().memory_info().rss - before < 150 * MIB


def test_a_compressed_frame_of_usual_size_is_read(tmp_path: Path) -> None:
    frames = b"".join(
        frame(name, zlib.compress(data), version=4, is_compressed=True)
        for name, data in ((b"TIT2", b"\3Title"), (b"APIC", PICTURE + bytes(MIB)))
    )
    path = tagged(tmp_path, "mp3", frames, 4)
    assert read_tags(path).title == "Title"
    assert read_cover(path) == b"\x89PNG" + bytes(MIB)


def test_the_limit_holds_in_its_block_only(tmp_path: Path) -> None:
    from mutagen.id3 import ID3

    title = zlib.compress(b"\0" + b"x" * 5000)
    frames = frame(b"TIT2", title, version=4, is_compressed=True)
    path = tagged(tmp_path, "mp3", frames, 4)
    with limited_inflation(1000):
        assert "TIT2" not in ID3(path)
    assert "TIT2" in ID3(path)
