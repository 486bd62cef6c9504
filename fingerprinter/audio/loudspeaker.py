"""Play sound through a loudspeaker, and record what a microphone hears of it (PortAudio)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fingerprinter.audio.microphone import (
    STALL_S,
    Recorded,
    Recording,
    import_sounddevice,
    record,
    unknown_device,
)
from fingerprinter.audio.signal import Chunk, Mono, resample
from fingerprinter.errors import AudioError

LATENCY_S = 1.5
"""How long the recording goes on after the sound; Bluetooth plays 0.3 s late, others 0.1 s."""


def play_and_record(
    samples: Mono,
    sr: int,
    speaker: int | str | None = None,
    device: int | str | None = None,
    *,
    stall_s: float = STALL_S,
) -> Recording:
    """Play samples and record them, with up to `LATENCY_S` of other sound around them.

    Parameters
    ----------
    samples : (n,) float32 array
        What to play, mono, of full scale 1.
    sr : int
        Its rate in Hz.
    speaker : int or str, optional
        Number of an output, or part of its name. Default: the system's default output.
    device, stall_s
        The microphone, see `fingerprinter.audio.microphone.record`.

    Returns
    -------
    Recording

    Raises
    ------
    UsageError
        If sounddevice or PortAudio is not installed.
    AudioError
        If there is no such loudspeaker or microphone, or if one of them gives up.
    KeyboardInterrupt
        If Ctrl-C ends the recording.
    """
    sd = import_sounddevice()
    output = _output(sd, speaker)
    speaker_sr = round(output["default_samplerate"])
    sound = np.concatenate(list(resample([Chunk(samples, sr)], speaker_sr)))
    channels = np.repeat(sound[:, np.newaxis], min(2, int(output["max_output_channels"])), axis=1)
    is_playing = False

    def play_once(_: Recorded) -> None:
        """Begin to play once the microphone gives sound."""
        nonlocal is_playing
        if is_playing:
            return
        is_playing = True
        try:
            sd.play(channels, speaker_sr, device=output["index"])
        except sd.PortAudioError as error:
            reason = f"{error.args[0]}; is another program using it?"
            raise AudioError(f"loudspeaker: {reason}") from error

    duration_s = len(samples) / sr + LATENCY_S
    try:
        recording = record(duration_s, device, play_once, stall_s=stall_s)
    finally:
        if is_playing:
            sd.stop()
    if recording.problem:
        raise AudioError(f"mic: {recording.problem}")
    if len(recording.samples) < round(duration_s * recording.sr):
        raise KeyboardInterrupt
    return recording


def _output(sd: Any, speaker: int | str | None) -> dict[str, Any]:
    try:
        return dict(sd.query_devices(speaker, "output"))
    except (ValueError, sd.PortAudioError):
        reason = unknown_device(sd, speaker, "output", "--speaker", "plug a loudspeaker in")
        raise AudioError(f"loudspeaker: {reason}") from None
