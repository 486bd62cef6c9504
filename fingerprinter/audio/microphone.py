"""Record from a microphone through PortAudio (the package sounddevice)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.signal import Chunk, Downmixer, Mono, resample
from fingerprinter.errors import AudioError, UsageError

STALL_S = 3.0
"""A device that gives no block for so many seconds was unplugged; others give one in 0.1 s."""

_SILENCE = 2 / 32_768  # range of the samples that a muted device still gives

Samples = npt.NDArray[np.float32]
"""Samples of a device, (n, channels) float32."""

Blocks = SimpleQueue[Samples | None]  # None: the device has ended the stream


@dataclass(frozen=True, slots=True)
class Recorded:
    """How far a recording is: samples so far, and samples in total."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording from a microphone.

    Parameters
    ----------
    samples : (n,) float32 array
        The samples, mono, of full scale 1.
    sr : int
        Rate of the device in Hz.
    problem : str or None
        Why the recording is shorter than it should be; ``None`` if it is complete or if the user
        stopped it.
    """

    samples: Mono
    sr: int
    problem: str | None


def record(
    duration_s: float,
    device: int | str | None = None,
    on_progress: Callable[[Recorded], None] = lambda _: None,
    *,
    stall_s: float = STALL_S,
) -> Recording:
    """Record from a microphone; Ctrl-C ends the recording early and keeps what was recorded.

    Parameters
    ----------
    duration_s : float
        How long to record, in seconds.
    device : int or str, optional
        Number of an input, or part of its name. Default: the system's default input.
    on_progress : callable
        Receives the progress after each block.
    stall_s : float
        Give up if the device gives no block for so many seconds.

    Returns
    -------
    Recording

    Raises
    ------
    UsageError
        If sounddevice or PortAudio is not installed.
    AudioError
        If there is no such microphone, or if it gives nothing or only silence.
    """
    sd = _import_sounddevice()
    blocks: Blocks = SimpleQueue()
    try:
        with _open_stream(sd, device, blocks) as stream:
            sr = round(stream.samplerate)
            total = round(duration_s * sr)
            parts, problem = _collect(blocks, total, on_progress, stall_s)
    except sd.PortAudioError as error:
        raise AudioError(f"mic: {error.args[0]}; is another program using it?") from error
    if not parts:
        raise AudioError(f"mic: {problem}")
    recorded = np.concatenate(parts)
    stretches = np.array_split(recorded, range(sr, len(recorded), sr))  # of a second
    downmixer = Downmixer()
    samples = np.concatenate([downmixer.push(stretch.T) for stretch in stretches])
    if np.ptp(samples) <= _SILENCE:
        raise AudioError("mic: the microphone gave silence only; is it muted?")
    return Recording(samples, sr, problem)


def listen(sr: int, device: int | str | None = None, *, stall_s: float = STALL_S) -> Iterator[Mono]:
    """Yield the sound of a microphone as it comes in, without an end.

    Parameters
    ----------
    sr : int
        Sampling rate of the result in Hz.
    device, stall_s
        See `record`.

    Yields
    ------
    (n,) float32 array
        Mono samples.

    Raises
    ------
    UsageError
        If sounddevice or PortAudio is not installed.
    AudioError
        If there is no such microphone, or if it stops.
    """
    sd = _import_sounddevice()
    blocks: Blocks = SimpleQueue()

    def chunks(device_sr: int) -> Iterator[Chunk]:
        downmixer, parts = Downmixer(), list[Samples]()
        while True:
            try:
                block = blocks.get(timeout=stall_s)
            except Empty:
                block = None
            if block is None:
                raise AudioError("mic: the device stopped; was it unplugged?")
            parts.append(block)
            if sum(map(len, parts)) >= device_sr / 2:
                yield Chunk(downmixer.push(np.concatenate(parts).T), device_sr)
                parts = []

    try:
        with _open_stream(sd, device, blocks) as stream:
            yield from resample(chunks(round(stream.samplerate)), sr)
    except sd.PortAudioError as error:
        raise AudioError(f"mic: {error.args[0]}; is another program using it?") from error


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise UsageError(
            "sounddevice is not installed, and a microphone needs it; `pip install sounddevice`"
        ) from error
    except OSError as error:
        raise UsageError(
            "PortAudio is not installed, and sounddevice needs it;"
            " install it (Debian and Ubuntu: apt install libportaudio2)"
        ) from error
    return sounddevice


def _open_stream(sd: Any, device: int | str | None, blocks: Blocks) -> Any:
    """Return an input stream that puts blocks into a queue once it is entered."""
    try:
        info = dict(sd.query_devices(device, "input"))
    except (ValueError, sd.PortAudioError):
        raise AudioError(f"mic: {_unknown_device(sd, device)}") from None
    try:
        sd.check_input_settings(device=info["index"], channels=1)
        channels = 1
    except sd.PortAudioError:  # the device gives its channels only together
        channels = int(info["max_input_channels"])

    def on_block(samples: Any, *_: object) -> None:
        blocks.put(samples.copy())  # PortAudio uses the buffer again

    return sd.InputStream(
        device=info["index"],
        channels=channels,
        callback=on_block,
        finished_callback=lambda: blocks.put(None),
    )


def _unknown_device(sd: Any, device: int | str | None) -> str:
    """Say that a device does not exist, and list those that do."""
    inputs = [each for each in sd.query_devices() if each["max_input_channels"]]
    if not inputs:
        return "this machine has no audio input; plug a microphone in"
    names = ", ".join(f"{each['index']} ({each['name']})" for each in inputs)
    if device is None:
        return f"there is no default input; choose one with --device: {names}"
    return f"{device} matches no input, or several; choose one of {names}"


def _collect(
    blocks: Blocks, total: int, on_progress: Callable[[Recorded], None], stall_s: float
) -> tuple[list[Samples], str | None]:
    """Return blocks with ``total`` samples, or fewer together with the reason."""
    parts: list[Samples] = []
    done = 0
    try:
        while done < total:
            block = blocks.get(timeout=stall_s)
            if block is None:
                return parts, "the device stopped; was it unplugged?"
            parts.append(block[: total - done])
            done += len(parts[-1])
            on_progress(Recorded(done, total))
    except Empty:
        return parts, f"the device gave no sound for {stall_s:g} s; is it still plugged in?"
    except KeyboardInterrupt:
        if not parts:
            raise
    return parts, None
