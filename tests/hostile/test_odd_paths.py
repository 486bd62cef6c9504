"""Paths that cannot be read: each is named in one line, and the other inputs are answered."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import makers
import numpy as np
import pytest

from fingerprinter import open_library
from fingerprinter.audio import find_audio, read_samples
from fingerprinter.audio import source as source_module
from fingerprinter.audio.second_decoder import open_second_decoder
from fingerprinter.errors import AudioError, LibraryError, UnknownTrackError
from fingerprinter.types import Problem

TOO_LONG = "a" * 300 + ".wav"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "radio.wav")
    return tmp_path / "radio.wav"


def test_a_named_pipe_is_read_as_a_stream(pipe: Path) -> None:
    writer = threading.Thread(target=pipe.write_bytes, args=[makers.wav()])
    writer.start()
    samples = read_samples(pipe)
    writer.join()
    np.testing.assert_array_equal(samples, read_samples(makers.wav()))


def test_a_named_pipe_without_a_writer_is_given_up(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "PIPE_WAIT_S", 0.1)
    with pytest.raises(AudioError, match=r"radio\.wav: a pipe that nobody writes to; waited 0\.1"):
        read_samples(pipe)


def test_a_name_without_letters_is_seen_in_the_message() -> None:
    with pytest.raises(AudioError, match=r"^'': a folder, not a file"):
        read_samples("")


def test_a_device_is_no_audio() -> None:
    with pytest.raises(AudioError, match=r"^/dev/zero: not a regular file$"):
        read_samples("/dev/zero")


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_file_without_a_size_is_read_as_a_stream() -> None:
    """Some of them give nothing for ever: `/proc/kmsg` made `identify` wait."""
    assert Path("/proc/version").stat().st_size == 0
    with pytest.raises(AudioError, match="/proc/version: not audio"):
        read_samples("/proc/version")


def test_a_named_pipe_is_not_indexed(pipe: Path) -> None:
    problems: list[Problem] = []
    assert list(find_audio([pipe], problems.append)) == []
    assert [problem.message for problem in problems] == [f"{pipe}: not a regular file"]


def test_a_read_that_fails_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").symlink_to("/proc/self/mem")  # opens, but reading it fails
    with pytest.raises(AudioError, match=r"bad\.wav: Input/output error$"):
        read_samples(tmp_path / "bad.wav")


def test_a_name_that_no_disk_can_hold(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"File name too long$"):
        read_samples(tmp_path / TOO_LONG)


@pytest.mark.parametrize("name", ["9" * 5000, "9" * 20, "\ud800", "\ud800#t=1", "\0", "0" * 99])
def test_what_can_be_no_track(tmp_path: Path, name: str) -> None:
    """A number of thousands of digits ended `show` in a traceback."""
    with open_library(tmp_path / "music.db") as library, pytest.raises(UnknownTrackError):
        library.track(name)


def test_a_library_with_a_name_that_no_disk_can_hold() -> None:
    with pytest.raises(LibraryError) as raised:
        open_library("sqlite:///" + TOO_LONG)
    assert "\n" not in str(raised.value)


def test_a_name_that_begins_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~nobody.wav").write_bytes(makers.wav())
    assert list(find_audio(["~nobody.wav"])) == [Path("~nobody.wav")]
    with open_library(f"sqlite:///{tmp_path / 'l.db'}") as library:
        report = library.index(["~nobody.wav", TOO_LONG], embeddings=False, jobs=1)
        assert (report.indexed, report.failed) == (1, 1)
        assert library.track("~nobody.wav").path == str(tmp_path / "~nobody.wav")
        with pytest.raises(AudioError, match="File name too long"):
            library.analyze(TOO_LONG)


def test_a_read_that_fails_prints_nothing_from_the_second_decoder(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class BadSector(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(size)

    with ExitStack() as resources:
        second = open_second_decoder(BadSector(makers.wav()), resources)
        assert second
        frames = sum(block.shape[1] for block in second.channels())
    assert 50_000 < frames < 2 * makers.SR
    assert capfd.readouterr() == ("", "")
