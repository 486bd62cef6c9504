"""Files that would take gigabytes or hours, and how the process ends that decodes them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import makers
import numpy as np
import psutil
import pytest
from odd_files import encoded, noise
from waiting import until

from fingerprinter.audio import (
    DecodingProcess,
    content_id,
    open_audio,
    read_samples,
    read_tags,
)
from fingerprinter.audio.decoding_process import start_process
from fingerprinter.errors import AudioError

Made = Callable[[str, bytes], Path]

ENDLESS = makers.rifx(b"junk\0\0\0\0" * (1 << 20))  # a million empty chunks


def read(source: bytes | Path, process: DecodingProcess) -> tuple[float, str | None]:
    """Decode a file; return the seconds of sound, and what is wrong with it."""
    with open_audio(source, process=process, name="clip") as audio:
        for _ in audio.blocks():
            pass
        return audio.decoded_s, audio.problem


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (makers.m4a_of_many_samples(85_000_000), "decoding it takes too much memory"),
        (ENDLESS, "decoding it takes too long for the sound that it gives"),
        (makers.m4a_that_repeats(3600), "its edit list plays the same parts again and again"),
        (makers.wav()[:24] + bytes([1, 0, 0, 0]) + makers.wav()[28:], "1 Hz is no sampling rate"),
        (makers.flac_that_changes_to(1), "its sampling rate changes to 1 Hz"),
        (makers.flac_that_changes_to(999), "its sampling rate changes to 999 Hz"),
    ],
    ids=[
        "table of 85 million samples",
        "a million chunks",
        "edit list",
        "1 Hz",
        "to 1 Hz",
        "to 999 Hz",
    ],
)
def test_a_file_that_takes_too_much_is_refused_in_one_line(
    data: bytes, message: str, process: DecodingProcess
) -> None:
    with pytest.raises(AudioError, match=f"^clip: {message}") as raised:
        read(data, process)
    assert "\n" not in str(raised.value)
    assert read(makers.wav(), process) == (pytest.approx(makers.SECONDS), None)  # the next file


def test_a_usual_rate_may_follow_another(process: DecodingProcess) -> None:
    found = read(makers.flac_that_changes_to(22_050), process)
    assert found == (pytest.approx(5.57, abs=0.01), None)


def test_zeros_behind_a_wav_cost_nothing(made: Made, process: DecodingProcess) -> None:
    whole, padded = made("a.wav", makers.wav()), made("b.wav", makers.wav(behind=bytes(10 << 20)))
    assert read(padded, process) == (pytest.approx(makers.SECONDS), None)  # within 0.5 s
    np.testing.assert_array_equal(read_samples(padded), read_samples(whole))
    assert content_id(padded) == content_id(whole)
    before_s = time.process_time()
    read_tags(padded)
    assert time.process_time() - before_s < 1


def test_a_crash_of_the_decoder_costs_one_file(process: DecodingProcess) -> None:
    # More than what fits into the pipe, so that the decoder cannot have ended.
    samples = np.random.default_rng(0).integers(-9999, 9999, 30 * makers.SR, np.int16)
    with open_audio(makers.wav(samples=samples), process=process, name="clip") as audio:
        blocks = audio.blocks(block_s=1)
        next(blocks)
        psutil.Process(process.pid).kill()
        with pytest.raises(AudioError, match=r"^clip: the decoder crashed on it \(status -9\)$"):
            list(blocks)
    assert read(makers.wav(), process) == (pytest.approx(makers.SECONDS), None)


def test_a_reader_that_is_closed_early_keeps_the_process(process: DecodingProcess) -> None:
    samples = np.zeros(30 * makers.SR, np.int16)
    pids = set()
    for _ in range(3):
        with open_audio(makers.wav(samples=samples), process=process) as audio:
            next(audio.blocks(block_s=1))
            pids.add(process.pid)
    assert len(pids) == 1


def test_a_process_that_was_started_before_decodes_the_next_file(made: Made) -> None:
    start_process()
    running = psutil.Process().children()
    assert len(read_samples(made("a.wav", makers.wav()))) == 2 * 16_000
    assert set(psutil.Process().children()) <= set(running)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is forked")
def test_ctrl_c_while_a_process_is_started_is_heard() -> None:
    program = (
        "import os, signal; from fingerprinter.audio.decoding_process import start_process;"
        "os.register_at_fork(before=lambda: signal.raise_signal(signal.SIGINT)); start_process()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stderr.strip().endswith(b"KeyboardInterrupt")
    assert done.returncode == -signal.SIGINT


def test_a_process_that_cannot_be_started_is_told(
    process: DecodingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pipe", no_more)
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread()])
    with pytest.raises(AudioError, match="no process to decode audio can be started: Too many"):
        read(makers.wav(), process)


def test_threads_decode_at_the_same_time(made: Made) -> None:
    """A process of several threads cannot be forked safely; each gets a process of its own."""
    path, results = made("a.wav", makers.wav()), []
    threads = [
        threading.Thread(target=lambda: results.append(read_samples(path))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(samples) for samples in results] == [2 * 16_000] * 2


# Waits in the middle of a file.
PARENT = """
import sys
from fingerprinter.audio import DecodingProcess, open_audio
with DecodingProcess() as process, open_audio(sys.argv[1], process=process) as audio:
    next(audio.blocks(block_s=1))
    print(process.pid, flush=True)
    sys.stdin.read()
"""


def test_a_decoding_process_ends_with_its_parent(made: Made) -> None:
    path = made("long.wav", makers.wav(samples=np.zeros(60 * makers.SR, np.int16)))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.send_signal(signal.SIGKILL)
        until(lambda: not psutil.pid_exists(child))


@pytest.mark.parametrize("data", [bytes(100_000), b"\xff" * 100_000], ids=["0", "255"])
def test_what_is_audio_by_its_name_only_is_no_audio(
    data: bytes, made: Made, process: DecodingProcess
) -> None:
    with pytest.raises(AudioError, match="not audio"):
        read(made("a.mp3", data), process)


def test_a_title_of_megabytes_is_cut(made: Made) -> None:
    frame = b"TIT2" + (5_000_001).to_bytes(4, "big") + b"\0\0\0" + b"x" * 5_000_000
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    sound = encoded("mp3", "libmp3lame", noise(1.0), sample_format="fltp")
    title = read_tags(made("a.mp3", b"ID3\x03\0\0" + size + frame + sound)).title
    assert title == "x" * 2000
