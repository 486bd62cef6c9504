"""Writes the stored analyses of tracks into the tags of their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprinter.audio.tag_writer import TagValues, read_values, write_values
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.library.base.progress import OnTrackCount, TrackCount
from fingerprinter.library.music.analyze import analysis_id
from fingerprinter.library.music.replay_gain import replay_gain
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses, files
from fingerprinter.types import MusicAnalysis, Problem, Track

FIELDS: Final = ("bpm", "key", "gain")
"""What can be written: the tempo, the key, and the gain and peak of ReplayGain 2.0."""

_FEW = 3  # tracks without an analysis that are named one by one


@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag of a file that was changed, or would be.

    Attributes
    ----------
    path
        The file.
    tag
        Name of the tag.
    before, after
        Values of the tag; None if the file did not have it.
    """

    path: str
    tag: str
    before: str | int | float | None
    after: str | int | float


@dataclass(frozen=True, slots=True)
class TagReport:
    """What a run has written.

    Attributes
    ----------
    changes
        The changes in the order of the files.
    unchanged
        Number of files that had all values already.
    problems
        Files that could not be written, and tracks without an analysis.
    """

    changes: tuple[TagChange, ...]
    unchanged: int
    problems: tuple[Problem, ...]


def tag_values(music: MusicAnalysis, fields: Iterable[str]) -> TagValues:
    """Return an analysis as tags. What is not known is left out.

    Parameters
    ----------
    music
        An analysis.
    fields
        Some of `FIELDS`.

    Examples
    --------
    >>> from fingerprinter.types import Key, Loudness
    >>> music = MusicAnalysis(127.6, 1.0, (), Key("A", "minor", 0.9), (), Loudness(-9.5, 4.0, -0.3))
    >>> tag_values(music, FIELDS)
    {'bpm': 128, 'initial_key': 'Am', 'rg_track_gain': -8.5, 'rg_track_peak': 0.966051}
    """
    known: dict[str, str | int | float | None] = {}
    if "bpm" in fields and music.tempo_bpm:
        known["bpm"] = round(music.tempo_bpm)
    if "key" in fields and music.key:
        known["initial_key"] = music.key.short_name
    gain = replay_gain(music.loudness) if "gain" in fields else None
    if gain:
        known["rg_track_gain"] = gain.gain_db
        if gain.peak is not None:
            known["rg_track_peak"] = gain.peak
    return known


def write_tags(
    database: Database,
    tracks: Sequence[Track],
    fields: Sequence[str],
    *,
    dry_run: bool,
    on_progress: OnTrackCount,
) -> TagReport:
    """Write stored analyses into the files of tracks.

    The library learns the new size and time of each file, so that `index` does not read it again.

    Parameters
    ----------
    database
        The library.
    tracks
        Tracks of the library.
    fields
        Some of `FIELDS`.
    dry_run
        Whether to change nothing and only report what would change.
    on_progress
        Is called with a `TrackCount` after each track.

    Raises
    ------
    UsageError
        If a field is unknown.
    """
    unknown = [field for field in fields if field not in FIELDS]
    if unknown or not fields:
        raise UsageError(f"{', '.join(unknown) or 'no tag'}: choose some of {', '.join(FIELDS)}")
    changes: list[TagChange] = []
    problems: list[Problem] = []
    not_analyzed: list[Track] = []
    unchanged = 0
    for done, track in enumerate(tracks):
        on_progress(TrackCount(done, len(tracks)))
        with database.connect() as connection:
            music = analyses.get(connection, track.id, analysis_id())
            paths = [Path(os.fsdecode(each)) for each in files.paths_of(connection, track.id)]
        if track.is_part:
            reason = f"track {track.id}: its file holds other tracks too; no tag of it is changed"
            problems.append(Problem(track.path or f"track {track.id}", reason))
            continue
        if music is None:
            not_analyzed.append(track)
            continue
        for path in paths:
            try:
                found = _write_file(database, track, path, tag_values(music, fields), dry_run)
            except (AudioError, OSError) as error:
                problems.append(Problem(str(path), _line(path, error)))
            else:
                changes += found
                unchanged += not found
    problems += _not_analyzed(not_analyzed, len(tracks))
    return TagReport(tuple(changes), unchanged, tuple(problems))


def _not_analyzed(lacking: Sequence[Track], total: int) -> Iterator[Problem]:
    """Yield a problem for each of a few tracks without an analysis, and one for many."""
    if len(lacking) > _FEW:
        reason = "have no analysis; run `fingerprinter analyze --all`, then this again"
        yield Problem("", f"{len(lacking)} of {total} tracks {reason}")
        return
    for track in lacking:
        reason = f"track {track.id}: no analysis; run `fingerprinter analyze {track.id}`"
        yield Problem(track.path or f"track {track.id}", reason)


def _write_file(
    database: Database, track: Track, path: Path, wanted: TagValues, dry_run: bool
) -> list[TagChange]:
    """Write one file, unless it has the values already; return what has changed."""
    before = read_values(path, tuple(wanted))
    changes = [
        TagChange(str(path), name, before[name], value)
        for name, value in wanted.items()
        if value is not None and before[name] != value
    ]
    if changes and not dry_run:
        write_values(path, {change.tag: change.after for change in changes})
        stat = path.stat()
        with database.begin() as connection:
            files.set_file(connection, path, track.id, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
    return changes


def _line(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return str(error) if isinstance(error, AudioError) else f"{path}: {reason}"
