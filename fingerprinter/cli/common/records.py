"""The JSON objects that `--json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fingerprinter.types import IndexReport, Match, Neighbour, Track, Version

if TYPE_CHECKING:
    from fingerprinter.library.listening.events import StationEvent

Record = dict[str, Any]


def track_record(track: Track) -> Record:
    """Return a track as an object; its ``problem`` is left out and appears in `show` only."""
    record = asdict(track) | {"added_at": track.added_at.isoformat()}
    del record["problem"]
    return record


def match_record(match: Match) -> Record:
    """Return a match of a clip as an object."""
    return asdict(match) | {"track": track_record(match.track)}


def event_record(event: StationEvent) -> Record:
    """Return an event of a station as an object; times are in UTC."""
    return {
        "type": event.type,
        "station": event.station,
        "started_at": event.started_at.isoformat(),
        "ended_at": event.ended_at and event.ended_at.isoformat(),
        "match": event.match and match_record(event.match),
        "claimed": event.claimed,
        "heard_before": event.heard_before,
    }


def neighbour_record(neighbour: Neighbour) -> Record:
    """Return a similar track as an object: track, similarity, copies and, if asked for, why."""
    return {
        "track": track_record(neighbour.track),
        "similarity": neighbour.similarity,
        "copies": list(neighbour.copies),
        **({"why": asdict(neighbour.why)} if neighbour.why else {}),
    }


def version_record(version: Version) -> Record:
    """Return a version as an object."""
    return asdict(version) | {"track": track_record(version.track)}


def report_record(report: IndexReport) -> Record:
    """Return the report of `index` as an object; its problems go to stderr instead."""
    record = asdict(report)
    del record["problems"]
    return record
