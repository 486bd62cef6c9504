"""Values that every evaluation reports: progress, seed, and the origin of its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from fingerprinter.evaluation.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an evaluation is, in clips, tracks, or what else it counts."""

    done: int
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an evaluation.

    Attributes
    ----------
    seed
        The same seed draws the same music.
    provenance
        Version, parameters, music and machine that the figures hold for.
    interrupted
        Whether the run was stopped before it had done everything.
    """

    seed: int
    provenance: Provenance
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """The attributes as plain values, on one level."""
        return {"seed": self.seed, **asdict(self.provenance), "interrupted": self.interrupted}
