"""What an evaluation of similarity found, and the same as JSON."""

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
    """One row of the table.

    other_half_first, reciprocal_rank: of the other half of the same track
    artist, album, genre: their share of the first neighbours of a whole track
    artist_elsewhere: the same with the neighbours of the same album left out
    genre_of_others: with those of the same artist or album left out
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
    """All of an evaluation.

    drawn: tracks that were heard; k: neighbours looked at for artist, album and genre
    models: digests; interrupted: the run was stopped before all were heard
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
