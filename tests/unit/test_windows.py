"""The windows of a clip: each comes with all of its peaks and its whole spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic import play

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.peaks import BLOCK_FRAMES, LIVE_BLOCK_FRAMES, peak_chunks
from fingerprinter.core.fingerprint.sketch import contrast
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.library.identify.track_list import TrackList
from fingerprinter.library.identify.windows import windows
from fingerprinter.types import Peaks

CLIP = play(1, 70)
LOG_MAG = log_spectrogram(CLIP, DEFAULT)
CONTRAST = contrast(LOG_MAG, 0, len(LOG_MAG))


class Listener:
    """Finds nothing, and keeps the spectra that it was given."""

    def __init__(self) -> None:
        self.spectra = list[ClipSpectrum]()

    def identify(
        self, peaks: Peaks, min_confidence: float, spectrum: ClipSpectrum | None = None
    ) -> Sequence[ScoredMatch]:
        assert spectrum is not None
        self.spectra.append(spectrum)
        return []

    def track_peaks(self, track_id: int) -> Peaks:
        raise AssertionError(track_id)


@pytest.mark.parametrize("block_frames", [LIVE_BLOCK_FRAMES, BLOCK_FRAMES])
def test_each_window_has_its_spectrum(block_frames: int) -> None:
    chunks = peak_chunks([CLIP], DEFAULT, block_frames=block_frames)
    found = list(windows(chunks, DEFAULT, DEFAULT_QUERY))
    assert len(found) == 6
    for window in found:
        frames = slice(round(window.start), round(window.end))
        np.testing.assert_array_equal(window.spectrum.contrast, CONTRAST[frames])
        np.testing.assert_array_equal(window.spectrum.log_mag, LOG_MAG[frames])


@pytest.mark.parametrize("block_frames", [LIVE_BLOCK_FRAMES, BLOCK_FRAMES])
def test_each_window_of_a_track_list_has_its_spectrum(block_frames: int) -> None:
    search = Listener()
    track_list = TrackList(search, 0.95, DEFAULT)
    for chunk in peak_chunks([CLIP], DEFAULT, block_frames=block_frames):
        track_list.push(chunk)
    track_list.close()
    length = DEFAULT_QUERY.window_s / DEFAULT.hop_s
    assert len(search.spectra) >= 6
    for spectrum in search.spectra[:-1]:
        assert abs(len(spectrum) - length) < 1
        (first,) = np.flatnonzero((spectrum.log_mag[0] == LOG_MAG).all(axis=1))
        frames = slice(first, first + len(spectrum))
        np.testing.assert_array_equal(spectrum.contrast, CONTRAST[frames])
        np.testing.assert_array_equal(spectrum.log_mag, LOG_MAG[frames])
