"""What is damaged in a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Damage:
    """What went wrong while a source was decoded.

    Parameters
    ----------
    error : str or None
        The first error, in the words of FFmpeg.
    silenced : int
        Number of samples that were replaced by silence.
    lost_s : float
        Seconds of sound that could not be decoded and were replaced by silence.
    """

    error: str | None = None
    silenced: int = 0
    lost_s: float = 0.0

    def note(self, error: str) -> None:
        """Keep an error if it is the first one."""
        self.error = self.error or error
