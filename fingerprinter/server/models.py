"""The answers of the API that are no value of `fingerprinter.types`, and how values are shown."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import Field

from fingerprinter.library.discover.clusters import Cluster
from fingerprinter.library.listening.events import StationEvent
from fingerprinter.library.music.stored_analyses import Tag
from fingerprinter.server.access import Viewer
from fingerprinter.server.jobs import Job
from fingerprinter.server.station_board import Monitor
from fingerprinter.types import (
    Album,
    Artist,
    DuplicateGroup,
    Key,
    Loudness,
    Match,
    Neighbour,
    Section,
    Track,
    Version,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identification:
    """The recordings in a clip; no match is an empty list. ``alternatives`` are other tracks.

    ``versions`` are other performances of the piece, if there is no match; None if none were looked
    for.
    """

    clip: str
    duration_s: float
    elapsed_s: float
    matches: list[Match]
    alternatives: list[Match]
    problem: str | None
    versions: list[Version] | None


@dataclass(frozen=True, slots=True)
class TrackPage:
    """A part of a list of tracks, and how many tracks the whole list has."""

    total: int
    offset: int
    tracks: list[Track]


@dataclass(frozen=True, slots=True)
class TrackDetails:
    """A track with its files, tempo and key."""

    track: Track
    files: list[str]
    tempo_bpm: float | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Waveform:
    """The loudest sample in each of 1,000 equal parts of a track; 1 is full scale."""

    duration_s: float
    peaks: list[float]


@dataclass(frozen=True, slots=True)
class AlbumPage:
    """A part of the list of albums."""

    total: int
    offset: int
    albums: list[Album]


@dataclass(frozen=True, slots=True)
class ArtistPage:
    """A part of the list of artists."""

    total: int
    offset: int
    artists: list[Artist]


@dataclass(frozen=True, slots=True)
class Similar:
    """Tracks that are similar to a track or a clip.

    ``problem`` says what of a clip could not be decoded; None if it is whole, and for a track.
    """

    query: Track | str
    results: list[Neighbour]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """Other performances of the piece that a track or a clip plays, the surest first.

    ``problem`` says what of a clip could not be decoded; None if it is whole, and for a track.
    """

    query: Track | str
    results: list[Version]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class LikesQuery:
    """The likes and dislikes of a recommendation."""

    like: list[Track]
    dislike: list[Track]


@dataclass(frozen=True, slots=True)
class Recommended:
    """Tracks for a listener."""

    query: LikesQuery
    results: list[Neighbour]


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of a path and the number of its tracks."""

    start: Annotated[Track, Field(serialization_alias="from")]
    end: Annotated[Track, Field(serialization_alias="to")]
    n: int


@dataclass(frozen=True, slots=True)
class TrackPath:
    """A playlist from one track to another."""

    query: Ends
    results: list[Neighbour]


@dataclass(frozen=True, slots=True)
class Found:
    """Tracks that fit some words, and notes on words that were corrected or not understood."""

    query: str
    results: list[Neighbour]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Tempo, beats, key, sections, loudness and tags of a track.

    ``camelot`` is the place of the key on the Camelot wheel.
    """

    query: Track
    duration_s: float
    tempo_bpm: float | None
    tempo_confidence: float | None
    beats: tuple[float, ...]
    key: Key | None
    camelot: str | None
    sections: tuple[Section, ...]
    loudness: Loudness
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Clusters:
    """Groups of tracks that sound alike, the largest first."""

    clusters: list[Cluster]


@dataclass(frozen=True, slots=True)
class MapCluster:
    """A cluster on the map."""

    id: int
    name: str
    tags: list[str]
    size: int


@dataclass(frozen=True, slots=True)
class MapColumns:
    """The map, a column for each value; row i of all columns is one track."""

    revision: int
    current: bool
    ids: list[int]
    x: list[float]
    y: list[float]
    cluster: list[int]
    year: list[int | None]
    tempo_bpm: list[float | None]
    clusters: list[MapCluster]


@dataclass(frozen=True, slots=True)
class Copies(DuplicateGroup):
    """A group of duplicates, the id of the copy to keep, and in what it is better.

    Both are None where one track is a part of the other, and for exact copies of one file.
    """

    better: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Exact copies, and the last search's result; ``revision`` is None if there was no search."""

    revision: int | None
    current: bool
    groups: list[Copies]


@dataclass(frozen=True, slots=True)
class JobList:
    """The jobs, newest first."""

    jobs: list[Job]


@dataclass(frozen=True, slots=True)
class MonitorList:
    """The stations that are listened to."""

    monitors: list[Monitor]


@dataclass(frozen=True, slots=True)
class StationLog:
    """What happened on a station, newest first."""

    events: list[StationEvent]


@dataclass(frozen=True, slots=True)
class Session:
    """What this client may do, and the folders that jobs may index (none: any folder)."""

    role: str
    token_needed: bool
    version: str
    folders: list[str]


def shown(value: T, viewer: Viewer) -> T:
    """Return a value as a client may see it.

    Paths of files are left out for people without the token. Bytes of file names that are no
    Unicode become escapes, because JSON cannot hold them.
    """
    if isinstance(value, Track):
        path = value.path if viewer.sees_paths else None
        return replace(value, path=path and text(path))
    if isinstance(value, list | tuple):
        items = (shown(item, viewer) for item in value)
        return type(value)(items)
    if is_dataclass(value):
        changed: dict[str, Any] = {
            each.name: shown(getattr(value, each.name), viewer) for each in fields(value)
        }
        return replace(value, **changed)  # type: ignore[type-var]
    return value


def text(name: str) -> str:
    """Return a file name as Unicode; other bytes become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()
