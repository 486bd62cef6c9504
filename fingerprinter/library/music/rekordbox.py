"""Writes tracks with their beats and sections as a collection of the DJ program rekordbox.

The format is the "rekordbox XML format" of AlphaTheta, version 1.0.0. Other DJ programs read it,
too: Traktor, Serato and Mixxx by their importers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np

from fingerprinter.errors import UsageError
from fingerprinter.library.base.labels import title
from fingerprinter.library.base.progress import OnTrackCount, TrackCount
from fingerprinter.library.music.analyze import analysis_id
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses
from fingerprinter.types import MusicAnalysis, Track

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GRID_TOLERANCE_S = 0.02  # a beat this far from the grid begins a new stretch of it
_MIN_STRETCH = 4  # beats that a new stretch of the grid needs, so that one odd beat begins none

Attributes = dict[str, str]


def beat_grid(beats_s: tuple[float, ...]) -> list[tuple[float, float]]:
    """Describe beats by stretches of constant tempo, as rekordbox stores them.

    Parameters
    ----------
    beats_s
        Times of the beats in seconds, ascending.

    Returns
    -------
    list of (float, float)
        Start in seconds and tempo in bpm of each stretch; empty for fewer than two beats.

    Examples
    --------
    >>> beat_grid((1.0, 1.5, 2.0, 2.5, 3.0))
    [(1.0, 120.0)]
    >>> beat_grid((0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0))
    [(0.0, 120.0), (2.0, 60.0)]
    """
    beats = np.asarray(beats_s, dtype=np.float64)
    grid, start = [], 0
    while start + 1 < len(beats):
        end = start + 2
        slope = beats[start + 1] - beats[start]
        while end < len(beats):
            numbers = np.arange(end + 1 - start)
            fit = np.polyfit(numbers, beats[start : end + 1], 1)
            off = np.abs(np.polyval(fit, numbers) - beats[start : end + 1]).max()
            if off > _GRID_TOLERANCE_S and end - start >= _MIN_STRETCH:
                break
            slope, end = fit[0], end + 1
        grid.append((round(float(beats[start]), 3), round(60 / float(slope), 2)))
        start = end - 1
    return grid


def export_rekordbox(
    database: Database, path: Path, tracks: Sequence[Track], on_progress: OnTrackCount
) -> int:
    """Write tracks with their stored analyses to a file, which appears when all is written.

    Parameters
    ----------
    database
        The library.
    path
        The file.
    tracks
        Tracks of the library. Those of a cue sheet are left out: rekordbox takes whole files only.
    on_progress
        Is called with a `TrackCount` after each track.

    Returns
    -------
    int
        The number of tracks in the file without an analysis.

    Raises
    ------
    UsageError
        If the file cannot be written, or a file is there that is no collection.
    """
    lacking = 0
    tracks = [track for track in tracks if not track.is_part]

    def analyzed() -> Iterator[tuple[Track, MusicAnalysis | None]]:
        nonlocal lacking
        for done, track in enumerate(tracks):
            with database.connect() as connection:
                music = analyses.get(connection, track.id, analysis_id())
            lacking += music is None
            yield track, music
            on_progress(TrackCount(done + 1, len(tracks)))

    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _require_replaceable(path)
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            write_rekordbox(file, len(tracks), analyzed())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # the folder cannot even be looked at
            beside.unlink(missing_ok=True)
    return lacking


def _require_replaceable(path: Path) -> None:
    """Raise an error if a file is there that is no collection: it may be a library, or music."""
    if not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{path}: not a regular file; name another")
    with path.open("rb") as file:
        head = file.read(200)
    if head and b"<DJ_PLAYLISTS" not in head:
        raise UsageError(f"{path}: there is a file that is no collection; name another")


def write_rekordbox(
    file: TextIO, count: int, tracks: Iterable[tuple[Track, MusicAnalysis | None]]
) -> None:
    """Write a collection, track by track: memory does not grow with it.

    Parameters
    ----------
    file
        Receives the XML.
    count
        Number of tracks.
    tracks
        Each with its analysis, if it has one. The beats become the beat grid, and each section
        becomes a memory cue.
    """
    xml = XMLGenerator(cast(Any, file), encoding="UTF-8", short_empty_elements=True)
    xml.startDocument()
    xml.startElement("DJ_PLAYLISTS", _attributes({"Version": "1.0.0"}))
    _element(
        xml,
        "PRODUCT",
        {"Name": "fingerprinter", "Version": version("fingerprinter"), "Company": ""},
    )
    xml.startElement("COLLECTION", _attributes({"Entries": str(count)}))
    for track, music in tracks:
        xml.ignorableWhitespace("\n")
        xml.startElement("TRACK", _attributes(_track_attributes(track, music)))
        for name, attributes in _marks(music):
            _element(xml, name, attributes)
        xml.endElement("TRACK")
    xml.endElement("COLLECTION")
    xml.startElement("PLAYLISTS", _attributes({}))
    _element(xml, "NODE", {"Type": "0", "Name": "ROOT", "Count": "0"})
    xml.endElement("PLAYLISTS")
    xml.endElement("DJ_PLAYLISTS")
    xml.endDocument()


def _track_attributes(track: Track, music: MusicAnalysis | None) -> Attributes:
    """Return what rekordbox shows in a row of its collection; unknown values are left out."""
    path = Path(track.path or "")
    known = {
        "TrackID": str(track.id),
        "Name": title(track),
        "Artist": track.artist,
        "Album": track.album,
        "Genre": track.genre,
        "TrackNumber": track.track_number and str(track.track_number),
        "Year": track.year and str(track.year),
        "TotalTime": str(round(track.duration_s)),
        "DateAdded": track.added_at.date().isoformat(),
        "Location": f"file://localhost{quote(path.as_posix(), errors='surrogateescape')}",
    }
    if music and music.tempo_bpm:
        known["AverageBpm"] = f"{music.tempo_bpm:.2f}"
    if music and music.key:
        known["Tonality"] = music.key.short_name
    return {name: value for name, value in known.items() if value}


def _marks(music: MusicAnalysis | None) -> Iterator[tuple[str, Attributes]]:
    """Yield the beat grid and the cues of a track as elements."""
    if music is None:
        return
    for start_s, bpm in beat_grid(music.beats_s):
        place = {"Inizio": f"{start_s:.3f}", "Bpm": f"{bpm:.2f}"}
        yield "TEMPO", place | {"Metro": "4/4", "Battito": "1"}
    for section in music.sections:
        place = {"Type": "0", "Start": f"{section.start_s:.3f}", "Num": "-1"}
        yield "POSITION_MARK", {"Name": section.label} | place


def _element(xml: XMLGenerator, name: str, attributes: Attributes) -> None:
    xml.startElement(name, _attributes(attributes))
    xml.endElement(name)


def _attributes(values: Attributes) -> AttributesImpl[str]:
    """Return attributes without the characters that XML cannot hold."""
    return AttributesImpl({name: _NOT_XML.sub("", value) for name, value in values.items()})
