"""The two types of a hit inside the search: before and after it is scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.core.match.tracking import TimeMap


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place in the library where a clip may come from.

    Parameters
    ----------
    track_id
        Id of the track.
    offset
        Frame of the recording at the clip's frame 0; negative where the clip begins before it.
    warp
        Tempo and pitch of the clip, relative to the recording.
    vote_excess
        Votes above chance, in standard deviations; 0 where only sketches propose the place.
    likeness
        Likeness of the sketches, in standard deviations; 0 where they are not compared.
    """

    track_id: int
    offset: float
    warp: Warp = UNCHANGED
    vote_excess: float = 0.0
    likeness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMatch(Candidate):
    """A candidate that was weighed against the stored peaks of its recording.

    Parameters
    ----------
    alignment
        Log-likelihood ratio of the coinciding peaks against chance, in nats.
    closeness
        Score of how closely the peaks lie; see `fingerprinter.core.match.closeness`.
    share
        0..1, share of the passage's peaks that the clip has.
    score
        All the evidence as one number; see `fingerprinter.core.match.matching.combined_score`.
    null_score
        The score that chance reaches in such a search.
    confidence
        0..1, the probability that the match is right.
    unheard_cost
        Points by which the place comes later in the order, since its recording goes on where the
        clip has ended in silence.
    start, end
        Frames of the clip between which the recording plays.
    """

    alignment: float
    closeness: float
    share: float
    score: float
    null_score: float
    confidence: float
    unheard_cost: float = 0.0
    start: float = 0.0
    end: float = 0.0

    @property
    def time_map(self) -> TimeMap:
        """Which frame of the recording plays at each frame of the clip."""
        return TimeMap(self.offset, self.warp.tempo, self.warp.pitch)

    def within(self, start: float, end: float) -> Self:
        """The match of a window, in frames of the whole clip that the window is part of."""
        offset = self.offset - start * self.warp.tempo
        return replace(self, offset=offset, start=start, end=end)
