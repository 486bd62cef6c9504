"""Clips that a loudspeaker plays and a microphone hears, with a fake PortAudio that joins both."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from synthetic import play

from fingerprinter.errors import AudioError
from fingerprinter.evaluation.playback import Playback, find_delay

SR = 16_000
DEVICE_SR = 48_000
BLOCK = 1024
DELAY_S = 0.25

Floats = npt.NDArray[np.float32]


class PortAudioError(Exception):
    """As sounddevice raises it: the words and a number."""


@dataclass
class Room:
    """What playback needs of the module: the microphone hears what is played, later and in noise.

    The microphone gives one block before the sound begins, and then as many as are taken.
    """

    gain: float = 0.3
    noise: float = 0.001
    outputs: int = 1
    refusal: str | None = None
    played: list[Floats] = field(default_factory=list)
    stopped: int = 0
    PortAudioError: type[Exception] = PortAudioError

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        devices = [
            {"index": 0, "name": "Mic", "max_input_channels": 1, "max_output_channels": 0},
            {"index": 1, "name": "Box", "max_input_channels": 0, "max_output_channels": 2},
        ]
        devices = devices[: 1 + self.outputs]
        if kind is None:
            return devices
        found = [each for each in devices if each[f"max_{kind}_channels"]]
        if not found or device not in (None, found[0]["index"], found[0]["name"]):
            raise ValueError(f"No {kind} device matching {device!r}")
        return {**found[0], "default_samplerate": float(DEVICE_SR)}

    def check_input_settings(self, device: int, channels: int) -> None:
        pass

    def InputStream(self, **options: Any) -> Microphone:  # noqa: N802
        self.begun, self.ended = threading.Event(), threading.Event()
        return Microphone(self, options["callback"])

    def play(self, channels: Floats, samplerate: int, device: int) -> None:
        if self.refusal:
            raise PortAudioError(self.refusal, -9985)
        assert (samplerate, device, channels.shape[1]) == (DEVICE_SR, 1, 2)
        self.played.append(channels)
        self.begun.set()

    def stop(self) -> None:
        self.stopped += 1


class Microphone:
    samplerate = float(DEVICE_SR)

    def __init__(self, room: Room, callback: Any) -> None:
        self._room, self._callback = room, callback
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Microphone:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._room.begun.set()
        self._room.ended.set()
        self._thread.join()

    def _run(self) -> None:
        room = self._room
        self._callback(np.zeros((BLOCK, 1), np.float32), BLOCK, None, None)
        room.begun.wait()
        if not room.played:
            return
        sound = np.pad(room.played[-1][:, 0], (round(DELAY_S * DEVICE_SR), 3 * DEVICE_SR))
        noise = np.random.default_rng(1).standard_normal(len(sound), np.float32)
        heard = (room.gain * sound + room.noise * noise).clip(-1, 1)
        for start in range(0, len(heard), BLOCK):
            part = heard[start : start + BLOCK, np.newaxis].copy()
            self._callback(part, len(part), None, None)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    module = Room()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_the_check_says_how_late_and_how_loud_the_sound_is_heard(room: Room) -> None:
    heard = Playback().check()
    assert heard.delay_s == pytest.approx(DELAY_S + BLOCK / DEVICE_SR, abs=0.001)
    rms = float(np.sqrt(np.mean(np.square(room.gain * room.played[0][:, 0]))))
    assert heard.level_db == pytest.approx(20 * np.log10(rms), abs=0.5)
    assert room.stopped == 1


def likeness(a: Floats, b: Floats) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_clip_comes_back_aligned_and_as_long_as_it_was(room: Room) -> None:
    clip = play(3, 4.0)
    heard = Playback("Box", 0)(clip)
    assert len(heard) == len(clip)
    assert likeness(heard, clip) > 0.95  # the delay is no whole number of samples
    assert np.abs(room.played[0]).max() == pytest.approx(0.9, abs=0.05)  # whatever its level


def test_a_clip_that_noise_hides_begins_as_late_as_the_one_before(room: Room) -> None:
    playback = Playback()
    playback.check()
    room.gain, room.noise = 0.01, 0.1
    clip = play(3, 4.0)
    assert likeness(playback(clip), clip) > 0.015  # chance gives 0.004


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": 0.0}, "loudspeaker: the microphone does not hear it; turn the volume up, .*"),
        ({"gain": 0.0, "noise": 0.0}, "mic: the microphone gave silence only; is it muted.*"),
        ({"gain": 20.0}, "mic: the sound overdrives the microphone; turn the volume down"),
        ({"outputs": 0}, "loudspeaker: this machine has no audio output; plug a loudspeaker in"),
        ({"refusal": "Device unavailable"}, "loudspeaker: Device unavailable; is another .*"),
    ],
)
def test_what_is_wrong_with_the_devices_is_said(
    room: Room, change: dict[str, Any], message: str
) -> None:
    for name, value in change.items():
        setattr(room, name, value)
    with pytest.raises(AudioError, match=f"^{message}$"):
        Playback().check()


@pytest.mark.usefixtures("room")
def test_an_unknown_loudspeaker_gives_a_list_of_outputs() -> None:
    message = r"loudspeaker: Hall matches no output, or several; choose one of 1 \(Box\)"
    with pytest.raises(AudioError, match=f"^{message}$"):
        Playback("Hall")(play(3, 1.0))


@pytest.mark.parametrize("snr_db", [20, 0, -10])
def test_the_delay_is_found_in_noise_and_only_there(snr_db: float) -> None:
    clip = play(5, 3.0)
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(5 * SR, np.float32) * np.std(clip) * 10 ** (-snr_db / 20)
    recorded = noise.astype(np.float32)
    recorded[7000 : 7000 + len(clip)] += clip
    delay, prominence = find_delay(clip, recorded)
    assert (delay, prominence > 8) == (7000, True)
    assert find_delay(clip, noise.astype(np.float32))[1] < 8
