"""Record from a microphone through PortAudio (the package sounddevice)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.signal import Chunk, Downmixer, Mono, resample
from fingerprinter.errors import AudioError, UsageError

STALL_S = 3.0
"""A device that gives no block for so many seconds was unplugged; others give one in 0.1 s."""

ASK_AT_S, ASK_EVERY_S, ASKED_S = (3.0, 6.0, 10.0), 5.0, 15.0
"""When a recording is asked about while it goes on: at these times, then every so many seconds, and
about how much of its end. The page asks at 3, 6 and 10 s too; 15 s are one search window."""

_SILENCE = 2 / 32_768  # range of the samples that a muted device still gives
_MAX_WAITING = 1 << 22  # samples that nobody takes, 95 s at 44.1 kHz; what comes then is dropped

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
    is_enough: Callable[[Recording], bool] = lambda _: False,
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
    is_enough : callable
        Receives the last `ASKED_S` seconds while the recording continues. The recording ends once
        it returns True.
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
    sd = import_sounddevice()
    blocks: Blocks = SimpleQueue()
    try:
        with _open_stream(sd, device, blocks) as stream:
            sr = round(stream.samplerate)
            total = round(duration_s * sr)
            asked = _AskedOnTheWay(sr, is_enough)
            parts, problem = _collect(blocks, total, on_progress, asked, stall_s)
    except sd.PortAudioError as error:
        raise AudioError(f"mic: {error.args[0]}; is another program using it?") from error
    if not parts:
        raise AudioError(f"mic: {problem}")
    samples = _mono(np.concatenate(parts), sr)
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
    sd = import_sounddevice()
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


def import_sounddevice() -> Any:
    """Import and return sounddevice; raises `UsageError` if it or PortAudio is not installed."""
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
        raise AudioError(f"mic: {unknown_device(sd, device)}") from None
    try:
        sd.check_input_settings(device=info["index"], channels=1)
        channels = 1
    except sd.PortAudioError:  # the device gives its channels only together
        channels = int(info["max_input_channels"])

    def on_block(samples: Any, *_: object) -> None:
        if blocks.qsize() * len(samples) < _MAX_WAITING:  # a database may be out of reach
            blocks.put(samples.copy())  # PortAudio uses the buffer again

    return sd.InputStream(
        device=info["index"],
        channels=channels,
        callback=on_block,
        finished_callback=lambda: blocks.put(None),
    )


def unknown_device(
    sd: Any,
    device: int | str | None,
    kind: str = "input",
    option: str = "--device",
    advice: str = "plug a microphone in",
) -> str:
    """Say that a device does not exist, and list those that do.

    Parameters
    ----------
    sd : module
        sounddevice.
    device : int, str or None
        What was asked for.
    kind : str
        "input" or "output".
    option, advice : str
        The option that chooses a device, and what to do if the machine has none.
    """
    devices = [each for each in sd.query_devices() if each[f"max_{kind}_channels"]]
    if not devices:
        return f"this machine has no audio {kind}; {advice}"
    names = ", ".join(f"{each['index']} ({each['name']})" for each in devices)
    if device is None:
        return f"there is no default {kind}; choose one with {option}: {names}"
    return f"{device} matches no {kind}, or several; choose one of {names}"


def _mono(recorded: Samples, sr: int) -> Mono:
    """Mix the channels of a recording down, second by second."""
    downmixer = Downmixer()
    stretches = np.array_split(recorded, range(sr, len(recorded), sr))
    return np.concatenate([downmixer.push(stretch.T) for stretch in stretches])


class _AskedOnTheWay:
    """Asks from time to time whether what was recorded so far is enough."""

    def __init__(self, sr: int, is_enough: Callable[[Recording], bool]) -> None:
        self._sr, self._is_enough = sr, is_enough
        self._times = chain(ASK_AT_S, count(ASKED_S, ASK_EVERY_S))
        self._due_s = next(self._times)

    def __call__(self, parts: list[Samples], done: int) -> bool:
        if done < self._due_s * self._sr:
            return False
        self._due_s = next(self._times)
        last = np.concatenate(parts)[-round(ASKED_S * self._sr) :]
        return self._is_enough(Recording(_mono(last, self._sr), self._sr, None))


def _collect(
    blocks: Blocks,
    total: int,
    on_progress: Callable[[Recorded], None],
    is_enough: Callable[[list[Samples], int], bool],
    stall_s: float,
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
            if done < total and is_enough(parts, done):
                break
    except Empty:
        return parts, f"the device gave no sound for {stall_s:g} s; is it still plugged in?"
    except KeyboardInterrupt:
        while not blocks.empty():  # what was heard before the interrupt counts
            waiting = blocks.get()
            parts += [waiting] if waiting is not None else []
        if not parts:
            raise
    return parts, None
