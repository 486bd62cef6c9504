"""Music analyses of the tracks, each with the version of the method that made it."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass

import numpy as np
from sqlalchemy import Connection, select

from fingerprinter.core.arrays import Bytes
from fingerprinter.core.mir.keys import TONICS, parse_key
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows
from fingerprinter.store.tables.schema import analysis, require_checksum
from fingerprinter.types import Key, Loudness, MusicAnalysis, Section

IDS_PER_STATEMENT = 1000  # few enough parameters for SQLite

Range = tuple[float | None, float | None]  # lowest and highest value; None: no limit
_ROWS_PER_READ = 256


def put(
    connection: Connection,
    track_id: int,
    version: str,
    found: MusicAnalysis,
    chroma: Bytes | None = None,
) -> None:
    """Store a track's analysis; replace an earlier one of any version.

    Parameters
    ----------
    chroma
        (n, 12) uint8, the chroma sequence of the track, if it is known.
    """
    details = asdict(found)
    if chroma is not None:
        details["chroma"] = base64.b64encode(chroma.tobytes()).decode("ascii")
    feature_rows.put(
        connection,
        analysis,
        track_id,
        version=version,
        tempo_bpm=found.tempo_bpm,
        key=found.key.name if found.key else None,
        loudness_lufs=found.loudness.integrated_lufs,
        details=json.dumps(details, allow_nan=False, separators=(",", ":")),
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


def chroma_sequences(
    connection: Connection, version: str, track_ids: Iterable[int] | None = None
) -> Iterator[tuple[int, Bytes]]:
    """Yield the id and the chroma sequence, (n, 12) uint8, of each track that has one.

    Parameters
    ----------
    version
        The version of the analyses.
    track_ids
        Only these tracks; None for all.

    Raises
    ------
    CorruptionError
        If a stored sequence cannot be read.
    """
    all_ids = select(analysis.c.track_id).where(analysis.c.version == version)
    ids = list(connection.scalars(all_ids.order_by("track_id")) if track_ids is None else track_ids)
    for start in range(0, len(ids), _ROWS_PER_READ):
        some = analysis.c.track_id.in_(ids[start : start + _ROWS_PER_READ])
        for row in connection.execute(select(analysis).where(some, analysis.c.version == version)):
            require_checksum(analysis, row)
            sequence = _chroma_sequence(row.track_id, row.details)
            if sequence is not None:
                yield row.track_id, sequence


def _chroma_sequence(track_id: int, details: str) -> Bytes | None:
    try:
        text = json.loads(details).get("chroma")
        if text is None:
            return None
        values = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        return values.reshape(-1, len(TONICS))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptionError(
            f"track {track_id}: its chroma sequence is damaged ({error!r}); run `fingerprinter"
            f" analyze --again {track_id}`"
        ) from None


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
