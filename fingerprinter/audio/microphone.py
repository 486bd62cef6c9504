"""Sound from a microphone, by PortAudio (the package sounddevice)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from fingerprinter.audio.signal import Mono, downmix
from fingerprinter.errors import AudioError, UsageError

_STALL_S = 3.0  # devices give a block every 10 to 100 ms; one that was pulled out gives none
_SILENCE = 2 / 32_768  # from lowest to highest sample: what muted devices still give

Blocks = SimpleQueue[Mono | None]  # None: the device has ended the stream


@dataclass(frozen=True, slots=True)
class Recorded:
    """How far a recording is, in samples."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Recording:
    """What a microphone gave.

    samples: (n,) float32; sr: the device's own rate
    problem: why there is less than was wanted; None where there is all, or it was stopped
    """

    samples: Mono
    sr: int
    problem: str | None


def record(
    duration_s: float,
    device: int | str | None = None,
    on_progress: Callable[[Recorded], None] = lambda _: None,
) -> Recording:
    """So many seconds from a microphone; Ctrl-C ends it early and keeps what there is.

    device: number or part of the name of an input, default the system's own
    Raises `UsageError` where sounddevice or PortAudio is missing, `AudioError` where the
    microphone is, gives nothing, or gives silence only.
    """
    sd = _sounddevice()
    blocks: Blocks = SimpleQueue()
    try:
        with _stream(sd, device, blocks) as stream:
            sr = round(stream.samplerate)
            parts, problem = _collected(blocks, round(duration_s * sr), on_progress)
    except sd.PortAudioError as error:
        raise AudioError(f"mic: {error.args[0]}; is another program using it?") from error
    if not parts:
        raise AudioError(f"mic: {problem}")
    samples = np.concatenate(parts)
    if np.ptp(samples) <= _SILENCE:
        raise AudioError("mic: the microphone gave silence only; is it muted?")
    return Recording(samples, sr, problem)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise UsageError(
            "sounddevice is not installed, and microphones are read with it;"
            " `pip install sounddevice`"
        ) from error
    except OSError as error:
        raise UsageError(
            "PortAudio is not installed, and sounddevice needs it;"
            " install it (Debian and Ubuntu: apt install libportaudio2)"
        ) from error
    return sounddevice


def _stream(sd: Any, device: int | str | None, blocks: Blocks) -> Any:
    """An input stream whose blocks, made mono, go into the queue once it is entered."""
    info = _input(sd, device)

    def take(samples: Any, *_: object) -> None:
        blocks.put(downmix(samples.T))

    return sd.InputStream(
        device=info["index"],
        channels=_channels(sd, info),
        callback=take,
        finished_callback=lambda: blocks.put(None),
    )


def _input(sd: Any, device: int | str | None) -> dict[str, Any]:
    try:
        return dict(sd.query_devices(device, "input"))
    except (ValueError, sd.PortAudioError):
        raise AudioError(f"mic: {_choice(sd, device)}") from None


def _choice(sd: Any, device: int | str | None) -> str:
    """What is wrong with a device, and which there are."""
    inputs = [each for each in sd.query_devices() if each["max_input_channels"]]
    if not inputs:
        return "this machine has no audio input; plug a microphone in"
    named = ", ".join(f"{each['index']} ({each['name']})" for each in inputs)
    wanted = "no input is the default" if device is None else f"{device} is no input, or several"
    return f"{wanted}; choose among {named}"


def _channels(sd: Any, info: dict[str, Any]) -> int:
    """One, or all where the device gives them only together."""
    try:
        sd.check_input_settings(device=info["index"], channels=1)
    except sd.PortAudioError:
        return int(info["max_input_channels"])
    return 1


def _collected(
    blocks: Blocks, total: int, on_progress: Callable[[Recorded], None]
) -> tuple[list[Mono], str | None]:
    """The blocks of so many samples, and why there are fewer."""
    parts: list[Mono] = []
    done = 0
    try:
        while done < total:
            block = blocks.get(timeout=_STALL_S)
            if block is None:
                return parts, "the device stopped; was it unplugged?"
            parts.append(block[: total - done])
            done += len(parts[-1])
            on_progress(Recorded(done, total))
    except Empty:
        return parts, f"the device gave no sound for {_STALL_S:g} s; is it still plugged in?"
    except KeyboardInterrupt:
        if not parts:
            raise
    return parts, None
