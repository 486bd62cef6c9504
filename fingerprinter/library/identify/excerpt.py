"""A part of a recording as the fingerprint sees it: its spectrogram and its peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.core.arrays import Floats
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.types import Peaks

DEFAULT_S = 30.0
MAX_S = 120.0  # a plot of more shows no single peaks, and would take 0.5 MB a second to make


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a recording.

    Parameters
    ----------
    start_s, duration_s
        Where it begins in the recording, and how long it is.
    params
        The landmark parameters by which its peaks were found.
    log_mag
        (frames, bins) float32, log magnitude in nepers of full scale.
    kept, others
        The peaks that landmarks are made of, and the rest, in frames from its start.
    """

    start_s: float
    duration_s: float
    params: LandmarkParams
    log_mag: Floats
    kept: Peaks
    others: Peaks


def validate_part(start_s: float | None, end_s: float | None) -> tuple[float, float]:
    """Return (start, end) of a part in seconds; default: the first 30 s.

    Raises `UsageError` where they are swapped, negative, or too far apart.
    """
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
    """Return the samples of a part, (n,) float32 at ``params.sr``; no more is decoded.

    Raises `AudioError` where the source cannot be read or ends before the part.
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


def make_excerpt(
    samples: Floats, start_s: float, peaks_per_s: float, params: LandmarkParams
) -> Excerpt:
    """Return the spectrogram and peaks of a part.

    Parameters
    ----------
    samples
        (n,) float32 at ``params.sr``.
    start_s
        Where the part begins in the recording.
    peaks_per_s
        Peaks a second that are kept.
    """
    peaks = find_peaks([samples], params)
    kept = limit_density(peaks, peaks_per_s, params)
    places, kept_places = (
        each.frames.astype(np.float64) * params.n_fft + each.bins for each in (peaks, kept)
    )
    return Excerpt(
        start_s=start_s,
        duration_s=len(samples) / params.sr,
        params=params,
        log_mag=log_spectrogram(samples, params),
        kept=kept,
        others=peaks.take(~np.isin(places, kept_places)),
    )
