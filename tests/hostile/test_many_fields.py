"""Of a file with absurd numbers of fields only the first count, and its sound is as it was."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odd_files import encoded, noise

from fingerprinter import open_library
from fingerprinter.audio import content_id, read_samples, read_tags
from fingerprinter.audio.field_limit import MOST_FIELDS, has_many_fields

N = 3 * MOST_FIELDS
EMPTY_CHUNKS = b"junk\0\0\0\0" * N
Made = Callable[[str, bytes], Path]


def riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def wav_with(before: bytes, behind: bytes = b"") -> tuple[bytes, bytes]:
    plain = encoded("wav", "pcm_s16le", noise(1.0))
    at = plain.find(b"data")
    return plain, riff(plain[12:at] + before + plain[at:] + behind)


def aiff_with_chunks() -> tuple[bytes, bytes]:
    plain = encoded("aiff", "pcm_s16be", noise(1.0))
    at = plain.find(b"SSND")
    body = plain[8:at] + EMPTY_CHUNKS + plain[at:]
    return plain, b"FORM" + struct.pack(">I", len(body)) + body


def mp3_with_frames(version: int) -> tuple[bytes, bytes]:
    plain = encoded("mp3", "libmp3lame", noise(1.0), sample_format="fltp")
    plain = plain[plain.find(b"\xff\xfb") :]

    def size(n: int) -> bytes:
        synced = bytes([n >> 21 & 127, n >> 14 & 127, n >> 7 & 127, n & 127])
        return synced if version == 4 else n.to_bytes(4, "big")

    texts = [(b"TIT2", b"\0Title"), *((b"TXXX", b"\0%d\0v" % i) for i in range(N))]
    frames = b"".join(name + size(len(text)) + b"\0\0" + text for name, text in texts)
    n = len(frames)
    whole = bytes([n >> 21 & 127, n >> 14 & 127, n >> 7 & 127, n & 127])
    return plain, b"ID3" + bytes([version, 0, 0]) + whole + frames + plain


def flac_with_comments(blocks: int) -> tuple[bytes, bytes]:
    """With all comments in one block or in several, and as many blocks of padding."""
    plain = encoded("flac", "flac", noise(1.0), sample_format="s16")
    at = 4
    while not plain[at] & 128:
        at += 4 + int.from_bytes(plain[at + 1 : at + 4], "big")
    sound = plain[at + 4 + int.from_bytes(plain[at + 1 : at + 4], "big") :]
    comments = [b"TITLE=Title", *(b"k%d=v" % i for i in range(N // blocks))]
    data = b"".join(struct.pack("<I", len(each)) + each for each in comments)
    data = struct.pack("<II", 0, len(comments)) + data
    block = b"\x04" + len(data).to_bytes(3, "big") + data
    return plain, plain[:42] + (block + b"\1\0\0\0") * blocks + b"\x81\0\0\0" + sound


INFO = b"LIST" + struct.pack("<I", 4 + 10 * N) + b"INFO" + b"ICMT\2\0\0\0a\0" * N
KINDS = {
    "chunks.wav": wav_with(EMPTY_CHUNKS),
    "chunks-behind.wav": wav_with(b"", EMPTY_CHUNKS),
    "info.wav": wav_with(INFO),
    "chunks.aiff": aiff_with_chunks(),
    "frames-3.mp3": mp3_with_frames(3),
    "frames-4.mp3": mp3_with_frames(4),
    "comments.flac": flac_with_comments(1),
    "blocks.flac": flac_with_comments(N),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_sound_is_that_of_the_plain_file(name: str, made: Made) -> None:
    plain, many = KINDS[name]
    path = made(name, many)
    assert has_many_fields(path)
    assert content_id(path) == content_id(plain)
    np.testing.assert_array_equal(read_samples(path), read_samples(plain))
    has_title = name.endswith(("mp3", "flac"))
    assert read_tags(path).title == ("Title" if has_title else None)


@pytest.mark.parametrize("name", KINDS)
def test_a_plain_file_is_left_as_it_is(name: str, made: Made) -> None:
    assert not has_many_fields(made(name, KINDS[name][0]))


def test_a_wav_whose_size_was_never_written_is_not_searched_for_chunks(made: Made) -> None:
    plain, _ = wav_with(b"")
    at = plain.find(b"data") + 4
    path = made("live.wav", plain[:at] + bytes(4) + EMPTY_CHUNKS)
    assert not has_many_fields(path)


def test_index_says_in_one_line_that_fields_are_left_out(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    path = made("comments.flac", KINDS["comments.flac"][1])
    with open_library(tmp_path / "library.db") as library:
        report = library.index([path], embeddings=False)
    (problem,) = report.problems
    assert "more than 1,000 fields" in problem.message
    assert (report.indexed, report.failed) == (1, 0)
