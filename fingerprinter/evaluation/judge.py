"""Decides which matches are right: the recording, the place in it, tempo and pitch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.errors import AudioError
from fingerprinter.evaluation.clips import Clip, Passage
from fingerprinter.evaluation.excerpt import SR, Samples, read_excerpt
from fingerprinter.types import Match

OFFSET_TOLERANCE_S = 0.05
WARP_TOLERANCE = 0.005  # of tempo and of pitch
SAME_SOUND = 0.95  # normalised cross-correlation of two passages of the same waveform


@dataclass(frozen=True, slots=True)
class JudgedMatch:
    """A match, compared with the truth.

    Attributes
    ----------
    track_id, confidence, offset_s
        Values of the match.
    passage
        Number of the clip's passage that it names; ``None`` if it names none, a false positive.
    placed
        Whether its offset is right within 50 ms.
    repeated
        Whether it names another place where the same waveform sounds.
    in_tune
        Whether tempo and pitch are right within 0.5 %.
    """

    track_id: int
    confidence: float
    offset_s: float
    passage: int | None
    placed: bool = False
    repeated: bool = False
    in_tune: bool = False


class Judge:
    """Judges matches; knows which tracks hold the same recording.

    Parameters
    ----------
    groups
        Ids of tracks that hold one recording. Tracks with the same waveform are recognised
        without being named here.
    """

    def __init__(self, groups: Sequence[frozenset[int]] = ()) -> None:
        self._groups = groups

    def judge(self, clip: Clip, match: Match) -> JudgedMatch:
        """Compare a match with every passage of the clip; the first that it names counts."""
        answers = [
            self._against(number, passage, clip, match)
            for number, passage in enumerate(clip.passages)
        ]
        wrong = JudgedMatch(match.track.id, match.confidence, match.offset_s, None)
        named = (answer for answer in answers if answer.passage is not None)
        return next(named, answers[0] if answers else wrong)

    def _against(self, number: int, passage: Passage, clip: Clip, match: Match) -> JudgedMatch:
        placed = _is_placed(passage, match)
        repeated = not placed and _repeats(passage, match)
        named = repeated or self._is_same(passage.recording.track_id, match.track.id)
        in_tune = _is_near(match.tempo, clip.warp.tempo) and _is_near(match.pitch, clip.warp.pitch)
        return JudgedMatch(
            track_id=match.track.id,
            confidence=match.confidence,
            offset_s=match.offset_s,
            passage=number if named else None,
            placed=placed,
            repeated=repeated,
            in_tune=in_tune,
        )

    def _is_same(self, a: int | None, b: int) -> bool:
        return a == b or any(a in group and b in group for group in self._groups)


def _is_placed(passage: Passage, match: Match) -> bool:
    near = abs(match.offset_s - passage.start_s) <= OFFSET_TOLERANCE_S
    return near and match.track.id == passage.recording.track_id


def _is_near(answered: float, true: float) -> bool:
    return abs(answered / true - 1) <= WARP_TOLERANCE


def _repeats(passage: Passage, match: Match) -> bool:
    """Whether the passage sounds where the match says, even if the file or the place differs."""
    if match.track.path is None:
        return False
    start_s = max(0.0, match.offset_s - OFFSET_TOLERANCE_S)
    n = len(passage.samples) + round(2 * OFFSET_TOLERANCE_S * SR)
    try:
        stretch = read_excerpt(match.track.path, start_s, n)
    except AudioError:
        return False
    return likeness(passage.samples, stretch) >= SAME_SOUND


def likeness(samples: Samples, stretch: Samples) -> float:
    """The greatest normalised cross-correlation of a passage with any part of a longer stretch.

    Parameters
    ----------
    samples
        (n,) the passage.
    stretch
        (m,) where it is looked for; if m < n, silence is added.

    Returns
    -------
    float
        -1..1, and 1 if the stretch contains the passage at any level.
    """
    n = len(samples)
    padded = np.pad(stretch.astype(np.float64), (0, max(0, n - len(stretch))))
    size = 1 << (len(padded) + n).bit_length()
    spectrum = np.fft.rfft(padded, size) * np.conj(np.fft.rfft(samples, size))
    products = np.fft.irfft(spectrum, size)[: len(padded) - n + 1]
    sums = np.concatenate([[0.0], np.cumsum(padded**2)])
    energies = np.maximum(sums[n:] - sums[:-n], 0.0) * np.sum(samples.astype(np.float64) ** 2)
    return float(np.max(products / np.sqrt(np.maximum(energies, np.finfo(np.float64).tiny))))
