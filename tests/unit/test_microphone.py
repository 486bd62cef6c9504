"""Recording from a microphone, with a fake PortAudio: samples, progress and failures."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.audio import microphone
from fingerprinter.audio.microphone import Recorded
from fingerprinter.errors import AudioError, UsageError

SR = 44_100
BLOCK = 1024
record = partial(microphone.record, stall_s=0.2)

Floats = npt.NDArray[np.float32]


class PortAudioError(Exception):
    """As sounddevice raises it: the words and a number."""


def tone(duration_s: float, level: float = 0.5) -> Floats:
    t = np.arange(round(duration_s * SR)) / SR
    return (level * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


@dataclass
class FakeSoundDevice:
    """What `record` needs of the module, over some inputs and one sound.

    then: what happens when the sound is at its end; second: level of the second channel
    """

    sound: Floats
    inputs: dict[str, int] = field(default_factory=lambda: {"Built-in": 1, "USB Audio": 2})
    default: int = 0
    mono: bool = True
    second: float = 1.0
    refusal: str | None = None
    then: str = "end"
    opened: dict[str, Any] = field(default_factory=dict)
    PortAudioError: type[Exception] = PortAudioError

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        all_inputs = [
            {"index": n, "name": name, "max_input_channels": channels, "default_samplerate": SR}
            for n, (name, channels) in enumerate(self.inputs.items())
        ]
        if kind is None:
            return all_inputs
        if isinstance(device, str):
            matching = [each for each in all_inputs if device in str(each["name"])]
            if len(matching) != 1:
                raise ValueError(f"No input device matching {device!r}")
            return matching[0]
        number = self.default if device is None else device
        if number not in range(len(all_inputs)):
            raise PortAudioError(f"Error querying device {number}")
        return all_inputs[number]

    def check_input_settings(self, device: int, channels: int) -> None:
        if not self.mono:
            raise PortAudioError("Invalid number of channels", -9998)

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        if self.refusal:
            raise PortAudioError(self.refusal, -9985)
        self.opened = options
        return FakeStream(self, **options)


class FakeStream:
    """Gives the sound from a thread of its own, as PortAudio does."""

    samplerate = float(SR)

    def __init__(self, module: FakeSoundDevice, **options: Any) -> None:
        self._module, self._options = module, options
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> FakeStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        buffer = np.empty((BLOCK, self._options["channels"]), np.float32)  # used again each time
        sound = self._module.sound
        for start in range(0, len(sound) - BLOCK + 1, BLOCK):
            buffer[:] = sound[start : start + BLOCK, None]
            buffer[:, 1:] *= self._module.second
            self._options["callback"](buffer, BLOCK, None, None)
        buffer[:] = np.nan
        if self._module.then == "end":
            self._options["finished_callback"]()
        if self._module.then == "Ctrl-C":
            time.sleep(0.1)  # until the recorder waits for more
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def installed(sound: Floats, **options: Any) -> FakeSoundDevice:
        module = FakeSoundDevice(sound, **options)
        monkeypatch.setitem(sys.modules, "sounddevice", module)
        return module

    return installed


def test_it_records_the_requested_seconds_at_the_rate_of_the_device(install: Any) -> None:
    sound = tone(2.0)
    module = install(sound)
    shown: list[Recorded] = []
    recording = record(1.5, on_progress=shown.append)
    assert (recording.sr, recording.problem) == (SR, None)
    np.testing.assert_array_equal(recording.samples, sound[: round(1.5 * SR)])
    assert recording.samples.dtype == np.float32
    assert (module.opened["device"], module.opened["channels"]) == (0, 1)
    done = [each.done for each in shown]
    assert done == sorted(done)
    assert (done[-1], {each.total for each in shown}) == (round(1.5 * SR), {round(1.5 * SR)})


def test_a_device_that_gives_only_stereo_is_mixed_down(install: Any) -> None:
    sound = tone(1.5)
    module = install(sound, mono=False)
    recording = record(1.0, "USB")
    assert (module.opened["device"], module.opened["channels"]) == (1, 2)
    np.testing.assert_allclose(recording.samples, sound[:SR], atol=1e-7)


def test_a_balanced_line_in_a_stereo_input_is_heard(install: Any) -> None:
    sound = tone(1.5)
    install(sound, mono=False, second=-1.0)
    np.testing.assert_allclose(record(1.0, "USB").samples, sound[:SR], atol=1e-7)


@pytest.mark.parametrize(("device", "index"), [(None, 0), (1, 1), ("USB", 1), ("Built", 0)])
def test_a_device_is_chosen_by_name_or_number(
    install: Any, device: int | str | None, index: int
) -> None:
    module = install(tone(1.5))
    record(1.0, device)
    assert module.opened["device"] == index


@pytest.mark.parametrize(
    ("device", "options", "message"),
    [
        (None, {"inputs": {}}, "mic: this machine has no audio input; plug a microphone in"),
        ("USB", {"inputs": {"Loudspeaker": 0}}, "mic: this machine has no audio input; .*"),
        (
            None,
            {"default": -1},
            r"mic: there is no default input; choose one .*: 0 \(Built-in\), .*",
        ),
        (7, {}, r"mic: 7 matches no input, or several; choose one of .*, 1 \(USB Audio\)"),
        ("Webcam", {}, "mic: Webcam matches no input, or several; choose one of .*"),
        ("u", {}, "mic: u matches no input, or several; choose one of .*"),
    ],
)
def test_an_unknown_device_gives_a_list_of_devices(
    install: Any, device: int | str | None, options: Any, message: str
) -> None:
    install(tone(1.5), **options)
    with pytest.raises(AudioError, match=f"^{message}$"):
        record(1.0, device)


def test_a_busy_device_is_reported(install: Any) -> None:
    install(tone(1.5), refusal="Error opening InputStream: Device unavailable")
    with pytest.raises(AudioError, match=r"^mic: .*: Device unavailable; is another program"):
        record(1.0)


@pytest.mark.parametrize(
    ("then", "problem"), [("end", "the device stopped; .*"), ("stall", "the device gave no sound")]
)
def test_audio_before_a_failure_is_kept(install: Any, then: str, problem: str) -> None:
    sound = tone(1.0)
    install(sound, then=then)
    recording = record(5.0)
    assert recording.problem is not None
    assert recording.problem.startswith(problem.removesuffix(".*"))
    np.testing.assert_array_equal(recording.samples, sound[: len(sound) // BLOCK * BLOCK])


@pytest.mark.parametrize("then", ["end", "stall"])
def test_a_device_that_gives_nothing_is_an_error(install: Any, then: str) -> None:
    install(tone(0.0), then=then)
    with pytest.raises(AudioError, match=r"^mic: the device "):
        record(5.0)


def test_it_ends_as_soon_as_what_was_recorded_is_enough(install: Any) -> None:
    sound = tone(17.0)
    install(sound)
    asked: list[float] = []

    def is_enough(so_far: microphone.Recording) -> bool:
        asked.append(len(so_far.samples) / so_far.sr)
        return len(asked) == 4

    recording = record(60.0, is_enough=is_enough)
    assert asked == pytest.approx([3.0, 6.0, 10.0, 15.0], abs=BLOCK / SR)
    assert len(recording.samples) / SR == pytest.approx(15.0, abs=BLOCK / SR)
    assert recording.problem is None


def test_only_the_last_seconds_are_asked_about(install: Any) -> None:
    install(tone(26.0))
    asked: list[int] = []

    def is_enough(so_far: microphone.Recording) -> bool:
        asked.append(len(so_far.samples))
        return False

    record(25.5, is_enough=is_enough)
    assert [round(each / SR) for each in asked] == [3, 6, 10, 15, 15, 15]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background lets them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it_early_and_keeps_the_audio(install: Any) -> None:
    sound = tone(1.0)
    install(sound, then="Ctrl-C")
    recording = record(60.0)
    assert recording.problem is None
    assert 0 < len(recording.samples) <= len(sound)
    np.testing.assert_array_equal(recording.samples, sound[: len(recording.samples)])


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_it_asks_keeps_the_audio(install: Any) -> None:
    install(tone(4.0))

    def is_enough(_: microphone.Recording) -> bool:
        raise KeyboardInterrupt

    recording = record(60.0, is_enough=is_enough)
    assert recording.problem is None
    assert 3 * SR <= len(recording.samples) <= 4 * SR  # more may have come in while it asked


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_before_any_audio_is_raised(install: Any) -> None:
    install(tone(0.0), then="Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        record(60.0)


@pytest.mark.parametrize("level", [0.0, 1 / 32_768])
@pytest.mark.parametrize("offset", [0.0, 0.01])
def test_a_muted_microphone_is_detected(install: Any, level: float, offset: float) -> None:
    install(tone(1.5, level) + np.float32(offset))
    with pytest.raises(AudioError, match=r"^mic: the microphone gave silence only; is it muted"):
        record(1.0)


def test_a_quiet_room_is_not_silence(install: Any) -> None:
    install(tone(1.5, 3 / 32_768))
    assert len(record(1.0).samples) == SR


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (None, r"sounddevice is not installed, .*`pip install sounddevice`"),
        (OSError("PortAudio library not found"), r"PortAudio is not installed, .*libportaudio2"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: OSError | None, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    if missing:
        monkeypatch.delitem(sys.modules, "sounddevice")
        monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=raising(missing))])
    with pytest.raises(UsageError, match=message):
        record(1.0)


def raising(error: Exception) -> Any:
    def find_spec(*_: object) -> None:
        raise error

    return find_spec
