"""Values as the objects that `--json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fingerprinter.types import IndexReport, Match, Neighbour, Track

Record = dict[str, Any]


def track_record(track: Track) -> Record:
    """A track; what of its file is missing stands in `show` only."""
    record = asdict(track) | {"added_at": track.added_at.isoformat()}
    del record["problem"]
    return record


def match_record(match: Match) -> Record:
    """A recording heard in a clip."""
    return asdict(match) | {"track": track_record(match.track)}


def neighbour_record(neighbour: Neighbour) -> Record:
    """A recording, its likeness, its copies, and why it is alike where that was asked for."""
    return {
        "track": track_record(neighbour.track),
        "similarity": neighbour.similarity,
        "copies": list(neighbour.copies),
        **({"why": asdict(neighbour.why)} if neighbour.why else {}),
    }


def report_record(report: IndexReport) -> Record:
    """What a run of `index` did; its problems are talk, on stderr."""
    record = asdict(report)
    del record["problems"]
    return record
