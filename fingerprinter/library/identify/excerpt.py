"""A part of a recording as the fingerprint sees it: its spectrogram and its peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.core.fingerprint.spectrogram import Floats, log_spectrogram
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.types import Peaks

DEFAULT_S = 30.0
MAX_S = 120.0  # a picture of more shows no peaks, and would take 0.5 MB a second to make


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a recording.

    start_s, duration_s: where it begins, and how long it is
    log_mag: (frames, bins) float32, nepers of full scale
    kept, others: the peaks that landmarks are made of, and the rest; frames from its start
    """

    start_s: float
    duration_s: float
    params: LandmarkParams
    log_mag: Floats
    kept: Peaks
    others: Peaks


def validate_part(start_s: float | None, end_s: float | None) -> tuple[float, float]:
    """(start, end) of the part that is meant; raises `UsageError` for what is no part."""
    start = 0.0 if start_s is None else start_s
    end = start + DEFAULT_S if end_s is None else end_s
    if not 0 <= start < end:
        raise UsageError(f"from {start:g} s to {end:g} s is no part of a recording; swap them?")
    if end - start > MAX_S:
        raise UsageError(
            f"from {start:g} s to {end:g} s: a picture shows at most {MAX_S:g} s; choose fewer"
        )
    return start, end


def read_part(source: AudioSource, start_s: float, end_s: float, params: LandmarkParams) -> Floats:
    """The samples of a part, (n,) float32 at ``params.sr``; no more is decoded.

    Raises `AudioError` where it cannot be read or ends before.
    """
    with open_audio(source, params.sr, start_s=start_s) as audio:
        samples = next(audio.blocks(end_s - start_s))
        if len(samples) < params.n_fft:
            shortest_s = params.n_fft / params.sr
            raise AudioError(
                f"{audio.name}: {len(samples) / params.sr:.2f} s from {start_s:g} s on;"
                f" a spectrum needs {shortest_s:.2f} s"
            )
    return samples


def make_excerpt(samples: Floats, start_s: float, per_s: float, params: LandmarkParams) -> Excerpt:
    """Spectrogram and peaks of a part.

    per_s: peaks a second that are kept
    """
    peaks = find_peaks([samples], params)
    kept = limit_density(peaks, per_s, params)
    return Excerpt(
        start_s=start_s,
        duration_s=len(samples) / params.sr,
        params=params,
        log_mag=log_spectrogram(samples, params),
        kept=kept,
        others=peaks.take(~np.isin(_places(peaks, params), _places(kept, params))),
    )


def _places(peaks: Peaks, params: LandmarkParams) -> npt.NDArray[np.float64]:
    """Frame and bin of each peak as one number."""
    return peaks.frames.astype(np.float64) * params.n_fft + peaks.bins
