"""The result of an evaluation of similarity, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fingerprinter.evaluation.metrics import Mean, Rate
from fingerprinter.evaluation.neighbours import Hubness
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import rate_json


@dataclass(frozen=True, slots=True)
class SystemResult:
    """What was measured of one method of similarity.

    Attributes
    ----------
    other_half_first
        Halves of tracks whose nearest neighbour is the other half of the same track.
    reciprocal_rank
        Mean reciprocal rank of the other half.
    artist, album, genre
        Share of the nearest neighbours of a whole track with the same label.
    artist_elsewhere
        The same for artists, without neighbours of the same album.
    genre_of_others
        The same for genres, without neighbours of the same artist or album.
    hubness
        How evenly tracks appear in the lists of others.
    """

    name: str
    other_half_first: Rate
    reciprocal_rank: Mean
    artist: Mean
    artist_elsewhere: Mean
    album: Mean
    genre: Mean
    genre_of_others: Mean
    hubness: Hubness

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        shares = ("artist", "artist_elsewhere", "album", "genre", "genre_of_others")
        return {
            "system": self.name,
            "other_half_first": rate_json(self.other_half_first),
            "reciprocal_rank": mean_json(self.reciprocal_rank),
            **{name: mean_json(getattr(self, name)) for name in shares},
            "hubness": {
                "k": self.hubness.k,
                "skew": round(self.hubness.skew, 3),
                "largest_hub": self.hubness.largest,
                "orphans": rate_json(self.hubness.orphans),
                "coverage": rate_json(self.hubness.coverage),
            },
        }


@dataclass(frozen=True, slots=True)
class SimilarityReport:
    """The result of an evaluation.

    Attributes
    ----------
    seed
        The same seed draws the same tracks.
    drawn
        Tracks that were embedded.
    k
        Length of the lists for artist, album and genre.
    models
        Digests by name.
    provenance
        What the figures hold for.
    interrupted
        Whether the run was stopped before all tracks were embedded.
    systems
        A row for each method of similarity.
    """

    seed: int
    drawn: int
    k: int
    models: Mapping[str, str]
    provenance: Provenance
    interrupted: bool
    systems: tuple[SystemResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "seed": self.seed,
            "drawn": self.drawn,
            "k": self.k,
            "models": dict(self.models),
            **asdict(self.provenance),
            "interrupted": self.interrupted,
            "systems": [each.to_json() for each in self.systems],
        }


def mean_json(mean: Mean) -> dict[str, Any]:
    """Mean, number of queries and interval."""
    share = None if mean.share is None else round(mean.share, 4)
    return {"mean": share, "queries": mean.total, "interval": list(mean.interval)}
