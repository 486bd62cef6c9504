"""Which matches end a search: those that are certain without the likeness of their sketches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.sketch import BANDS
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp, WarpGrid
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.core.match.matching import combined_score, confidence
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.library.identify.identifier import ClipFeatures, Identifier
from fingerprinter.types import Peaks


def scored(
    warp: Warp, alignment: float, closeness: float, share: float, excess: float, likeness: float
) -> ScoredMatch:
    """A match with the given evidence; the null score is lower where nothing was warped."""
    null_score = 3.5 if warp == UNCHANGED else 3.8
    score = combined_score(alignment, excess, closeness, likeness)
    return ScoredMatch(
        1,
        0.0,
        warp,
        excess,
        likeness,
        alignment=alignment,
        closeness=closeness,
        share=share,
        score=score,
        null_score=null_score,
        confidence=confidence(score, null_score),
    )


DRUMS = scored(UNCHANGED, 4.0, 0.0, 0.2, excess=0.0, likeness=20.0)
WHOLE = scored(UNCHANGED, 100.0, 2.0, 0.9, excess=9.0, likeness=9.0)
HIGHER = scored(Warp(1.0, 1.12), 90.0, 5.0, 0.8, excess=9.0, likeness=0.0)


class ScriptedIdentifier(Identifier):
    """An identifier whose steps return prepared matches; the quick look-up returns none."""

    def __init__(self, unchanged: list[ScoredMatch], warped: Sequence[list[ScoredMatch]]) -> None:
        index: Any = SimpleNamespace(frame_count=0)
        connection: Any = None
        sketches: Any = SimpleNamespace()
        super().__init__(connection, index, DEFAULT, load_sketches=lambda: sketches)
        self._unchanged = unchanged
        self._warped: Iterator[list[ScoredMatch]] = iter(warped)
        self.tried: list[Sequence[Warp] | WarpGrid] = []

    def quick_search(self, clip: ClipFeatures) -> list[ScoredMatch]:
        return []

    def full_search(self, clip: ClipFeatures) -> list[ScoredMatch]:
        return self._unchanged

    def search_under(
        self,
        clip: ClipFeatures,
        low: Peaks,
        warps: Sequence[Warp],
    ) -> list[ScoredMatch]:
        self.tried.append(warps)
        return next(self._warped, [])

    def warped_search(self, clip: ClipFeatures, spectrum: ClipSpectrum) -> list[ScoredMatch]:
        self.tried.append(DEFAULT_POLICY.warp_grid)
        return []

    def plays_backwards(self, clip: ClipFeatures, match: ScoredMatch) -> bool:
        return False

    def fit_tempo(self, clip: ClipFeatures, match: ScoredMatch) -> ScoredMatch:
        return match


def identify(identifier: Identifier, *, sketched: bool = True) -> list[ScoredMatch]:
    frames = np.linspace(0, 312, 700, dtype=np.float32)
    above = np.random.default_rng(0).random((312, BANDS), np.float32)
    spectrum = ClipSpectrum(above, np.zeros((312, 512), np.float32)) if sketched else None
    return identifier.identify(Peaks(frames, frames % 400, frames % 3), 0.95, spectrum)


@pytest.mark.parametrize("unchanged, answer", [(DRUMS, HIGHER), (WHOLE, WHOLE)])
def test_a_match_that_only_sketches_make_certain_is_compared_with_warps(
    unchanged: ScoredMatch, answer: ScoredMatch
) -> None:
    """Drums are alike at any pitch; both matches would be certain with their likeness."""
    decisive = DEFAULT_POLICY.query.decisive
    assert min(DRUMS.confidence, WHOLE.confidence, HIGHER.confidence) >= decisive
    assert identify(ScriptedIdentifier([unchanged], [[HIGHER], [], []])) == [answer]


@pytest.mark.parametrize("sketched", [False, True])
@pytest.mark.parametrize("first", [DRUMS, WHOLE])
def test_warps_are_tried_until_a_match_is_certain_without_sketches(
    first: ScoredMatch, sketched: bool
) -> None:
    identifier = ScriptedIdentifier([], [[first], [], []])
    assert identify(identifier, sketched=sketched) == [first]
    every_stage = [*DEFAULT_POLICY.escalation, *[DEFAULT_POLICY.warp_grid] * sketched]
    assert identifier.tried == (every_stage if first == DRUMS else every_stage[:1])
