"""Music analyses of the tracks, each with the version of the method that made it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass

from sqlalchemy import Connection, select

from fingerprinter.core.mir.keys import parse_key
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows
from fingerprinter.store.tables.schema import analysis, require_checksum
from fingerprinter.types import Key, Loudness, MusicAnalysis, Section

IDS_PER_STATEMENT = 1000  # few enough parameters for SQLite

Range = tuple[float | None, float | None]  # lowest and highest value; None: no limit


def put(connection: Connection, track_id: int, version: str, found: MusicAnalysis) -> None:
    """Store a track's analysis; replace an earlier one of any version."""
    feature_rows.put(
        connection,
        analysis,
        track_id,
        version=version,
        tempo_bpm=found.tempo_bpm,
        key=found.key.name if found.key else None,
        loudness_lufs=found.loudness.integrated_lufs,
        details=json.dumps(asdict(found), allow_nan=False, separators=(",", ":")),
    )


def get(connection: Connection, track_id: int, version: str) -> MusicAnalysis | None:
    """Return a track's analysis, or None if it has none of this version.

    Raises
    ------
    CorruptionError
        If the stored analysis cannot be read.
    """
    return get_many(connection, [track_id], version).get(track_id)


def get_many(
    connection: Connection, track_ids: Iterable[int], version: str | None
) -> dict[int, MusicAnalysis]:
    """Return the analyses by track id. Tracks without one of this version are left out.

    Parameters
    ----------
    version
        The version; None for any.

    Raises
    ------
    CorruptionError
        If a stored analysis cannot be read.
    """
    ids, found = list(track_ids), dict[int, MusicAnalysis]()
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        some = analysis.c.track_id.in_(ids[start : start + IDS_PER_STATEMENT])
        wanted = [some] if version is None else [some, analysis.c.version == version]
        for row in connection.execute(select(analysis).where(*wanted)):
            require_checksum(analysis, row)
            found[row.track_id] = _analysis(row.track_id, row.details)
    return found


def _analysis(track_id: int, details: str) -> MusicAnalysis:
    try:
        values = json.loads(details)
        found = MusicAnalysis(
            tempo_bpm=values["tempo_bpm"],
            tempo_confidence=values["tempo_confidence"],
            beats_s=tuple(values["beats_s"]),
            key=values["key"] and Key(**values["key"]),
            sections=tuple(Section(**each) for each in values["sections"]),
            loudness=Loudness(**values["loudness"]),
        )
        _require_types(found)
        return found
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptionError(
            f"track {track_id}: its analysis is damaged ({error!r}); run `fingerprinter analyze"
            f" --again {track_id}`"
        ) from None


def _require_types(found: MusicAnalysis) -> None:
    """Raise `TypeError` or `ValueError` for values that no analysis has. JSON allows any."""
    numbers = [*found.beats_s, *(time_s for s in found.sections for time_s in (s.start_s, s.end_s))]
    optional = [found.tempo_bpm, found.tempo_confidence, *astuple(found.loudness)]
    numbers += [value for value in optional if value is not None]
    texts = [section.label for section in found.sections]
    if found.key is not None:
        numbers.append(found.key.confidence)
        if parse_key(found.key.name) != found.key.name:
            raise ValueError(f"{found.key.name} is no key")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a label of a section is no text")
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise TypeError("a number is none")


@dataclass(frozen=True, slots=True)
class Beat:
    """Tempo and key of a track, for mixing; None if unknown. ``key`` is a `Key.name`."""

    tempo_bpm: float | None
    key: str | None


def beats(connection: Connection, track_ids: Iterable[int]) -> dict[int, Beat]:
    """Return tempo and key by track id, from analyses of any version."""
    ids, found = list(track_ids), dict[int, Beat]()
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        some = analysis.c.track_id.in_(ids[start : start + IDS_PER_STATEMENT])
        for row in connection.execute(select(analysis).where(some)):
            require_checksum(analysis, row)
            found[row.track_id] = Beat(row.tempo_bpm, row.key)
    return found
