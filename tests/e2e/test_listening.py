"""`identify --mic`, over a module `sounddevice` that plays a file instead."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import DEADLINE_S, Program

from fingerprinter.audio import read_samples, write_wav

SOUNDDEVICE = """
import os
import threading
import wave

import numpy as np


class PortAudioError(Exception):
    pass


def query_devices(device=None, kind=None):
    microphone = {"index": 0, "name": "Fake", "max_input_channels": 1}
    if device not in (None, 0, "Fake"):
        raise ValueError(device)
    return microphone if kind else [microphone]


def check_input_settings(device, channels):
    pass


class InputStream:
    def __init__(self, callback, **_):
        with wave.open(os.environ["FAKE_CLIP"]) as file:
            self.samplerate = file.getframerate()
            self._pcm = np.frombuffer(file.readframes(-1), "<i2")
        self._callback = callback

    def __enter__(self):
        threading.Thread(target=self._run).start()
        return self

    def __exit__(self, *_):
        pass

    def _run(self):
        for start in range(0, len(self._pcm), 512):
            block = self._pcm[start : start + 512, None] / np.float32(32768)
            self._callback(block, len(block), None, None)
        if "FAKE_READY" in os.environ:
            open(os.environ["FAKE_READY"], "w").close()
"""

Entry = dict[str, Any]


@pytest.fixture
def microphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the microphone hear a file."""
    (tmp_path / "sounddevice.py").write_text(SOUNDDEVICE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def hear(clip: Path) -> Path:
        monkeypatch.setenv("FAKE_CLIP", str(clip))
        monkeypatch.setenv("FAKE_READY", str(tmp_path / "ready"))
        return tmp_path / "ready"

    return hear


def test_what_the_microphone_hears_is_named(
    demo_library: Program, inside: list[Entry], clips: Any, microphone: Any
) -> None:
    microphone(clips.noisy(inside[4]))
    run = demo_library.process("identify", "--mic", "60", "--device", "Fake", "--json")
    assert run.record["clip"] == "mic"
    assert run.record["duration_s"] < 8.0  # a sure answer ends it; the clip is 8 s long
    (match,) = run.record["matches"]
    assert match["track"]["title"] == inside[4]["title"]
    assert match["offset_s"] == pytest.approx(clips.start_s, abs=0.1)
    assert run.err == ""
    run = demo_library.process("identify", "--mic", "8", "--all", "--json")
    assert run.record["duration_s"] == 8.0
    table = demo_library.process("identify", "--mic", "8").out.splitlines()
    assert table[1].startswith("mic   ")
    assert inside[4]["title"] in table[1]


def test_ctrl_c_identifies_what_was_recorded_so_far(
    sqlite_demo: Program, inside: list[Entry], clips: Any, microphone: Any
) -> None:
    clip = clips.clean(inside[4], 5.0)
    ready = microphone(clip)
    process = sqlite_demo.start(
        "identify",
        "--mic",
        "600",
        "--all",
        "--json",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(ready, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, b"")
    assert inside[4]["title"].encode() in out
    assert f'"duration_s": {len(read_samples(clip)) / 16_000}'.encode() in out


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_unknown_device_is_named(sqlite_demo: Program, microphone: Any) -> None:
    run = sqlite_demo.process("identify", "--mic", "5", "--device", "7", "--json", status=1)
    assert run.out == ""
    assert run.complaints == ["mic: 7 matches no input, or several; choose one of 0 (Fake)"]


def test_a_muted_microphone_is_named(sqlite_demo: Program, microphone: Any, tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(40_000), 16_000)
    microphone(tmp_path / "silence.wav")
    run = sqlite_demo.process("identify", "--mic", "2", status=1)
    assert run.complaints == ["mic: the microphone gave silence only; is it muted?"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "error: name clips to identify, or record one with --mic: exactly one of the two"),
        (["a.wav", "--mic", "5"], "error: name clips to identify, or record one with --mic"),
        (["a.wav", "--device", "USB"], "error: --device USB: no recording; add --mic SECONDS"),
        (["--mic", "0"], "Error: Invalid value for '--mic': 0.0 is not in the range"),
    ],
)
def test_clips_or_a_microphone(sqlite_demo: Program, arguments: list[str], complaint: str) -> None:
    run = sqlite_demo("identify", *arguments, status=2)
    assert run.complaints[-1].startswith(complaint)


def test_without_the_package_the_next_step_is_named(
    sqlite_demo: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run = sqlite_demo.process("identify", "--mic", "5", status=2)
    (complaint,) = run.complaints
    assert complaint.startswith("error: sounddevice is not installed")
    assert "pip install sounddevice" in complaint
