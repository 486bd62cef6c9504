"""Clips that a loudspeaker plays and a microphone hears: the channel of real rooms.

Where the clip begins in a recording is found by the clip itself, as the peak of their generalised
cross-correlation with phase transform [1]_. So the latency of the devices does not matter.

References
----------
.. [1] C. Knapp and G. Carter, "The generalized correlation method for estimation of time delay",
   IEEE Transactions on Acoustics, Speech, and Signal Processing, 1976.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprinter.audio.loudspeaker import play_and_record
from fingerprinter.audio.microphone import STALL_S
from fingerprinter.audio.signal import Chunk, resample
from fingerprinter.errors import AudioError
from fingerprinter.evaluation.degrade.levels import rms
from fingerprinter.evaluation.excerpt import SR, Samples

_PEAK = 0.9  # of full scale, to which each clip is brought: the user sets the volume
_TEST_S = 2.0
_OVERDRIVEN, _MOST_OVERDRIVEN = 0.99, 1e-3  # level, and share of samples that may reach it
# The greatest of 24,000 correlations without a common sound lies 4.5 standard deviations above
# their mean. One that lies 8 above is no chance.
_MIN_PROMINENCE = 8.0


@dataclass(frozen=True, slots=True)
class PlaybackCheck:
    """How late and how loud a microphone records a loudspeaker.

    Attributes
    ----------
    delay_s
        From the first sample of the recording to that of the sound.
    level_db
        RMS level of the recorded sound, in dB of full scale.
    """

    delay_s: float
    level_db: float


class Playback:
    """A loudspeaker and a microphone as the channel of an evaluation.

    Parameters
    ----------
    speaker, device
        Numbers or parts of the names of the output and the input; see
        `fingerprinter.audio.loudspeaker.play_and_record`.
    stall_s
        Give up if the microphone gives nothing for so many seconds.
    """

    def __init__(
        self,
        speaker: int | str | None = None,
        device: int | str | None = None,
        *,
        stall_s: float = STALL_S,
    ) -> None:
        self._speaker, self._device, self._stall_s = speaker, device, stall_s
        self._delay = 0  # of the last clip that was heard, in samples

    def check(self) -> PlaybackCheck:
        """Play two seconds of noise and say how it is heard.

        Raises
        ------
        UsageError
            If sounddevice or PortAudio is not installed.
        AudioError
            If a device is missing, if the noise is not heard, or if it overdrives the microphone.
        """
        noise = np.random.default_rng(0).standard_normal(round(_TEST_S * SR), np.float32)
        played, recorded = self._play(noise)
        delay, prominence = find_delay(played, recorded)
        if prominence < _MIN_PROMINENCE:
            raise AudioError(
                "loudspeaker: the microphone does not hear it; turn the volume up, or choose"
                " other devices with --speaker and --device"
            )
        if np.mean(np.abs(recorded) >= _OVERDRIVEN) > _MOST_OVERDRIVEN:
            raise AudioError("mic: the sound overdrives the microphone; turn the volume down")
        self._delay = delay
        level = rms(recorded[delay : delay + len(played)])
        return PlaybackCheck(delay / SR, float(20 * np.log10(level)))

    def __call__(self, samples: Samples) -> Samples:
        """Play a clip and return what was heard of it, of the same length.

        A clip that the correlation does not find, in a loud room, begins as late as the one before.

        Parameters
        ----------
        samples
            (n,) float32, mono, 16 kHz, at any level.

        Raises
        ------
        UsageError, AudioError
            See `check`.
        """
        played, recorded = self._play(samples)
        delay, prominence = find_delay(played, recorded)
        if prominence >= _MIN_PROMINENCE:
            self._delay = delay
        return recorded[self._delay : self._delay + len(played)]

    def _play(self, samples: Samples) -> tuple[Samples, Samples]:
        """Return a clip as it is played, and the recording of it at the same rate."""
        played = samples * np.float32(_PEAK / np.abs(samples).max(initial=1e-9))
        recording = play_and_record(played, SR, self._speaker, self._device, stall_s=self._stall_s)
        pieces = resample([Chunk(recording.samples, recording.sr)], SR)
        return played, np.concatenate(list(pieces))


def find_delay(played: Samples, recorded: Samples) -> tuple[int, float]:
    """Find where a sound begins in a longer recording of it.

    Parameters
    ----------
    played, recorded
        (n,) and (m,) float32 at one rate, m >= n.

    Returns
    -------
    delay : int
        In samples, 0 to m - n.
    prominence : float
        How far the correlation there stands out, in standard deviations of that at all delays.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    >>> find_delay(noise[:4000], np.roll(noise, 700))[0]
    700
    """
    n = 1 << (len(played) + len(recorded)).bit_length()
    cross = np.fft.rfft(recorded, n) * np.conj(np.fft.rfft(played, n))
    cross /= np.maximum(np.abs(cross), np.abs(cross).max() * 1e-9 + 1e-30)
    correlation = np.fft.irfft(cross, n)[: len(recorded) - len(played) + 1]
    delay = int(correlation.argmax())
    return delay, float(correlation[delay] / max(float(correlation.std()), 1e-30))
