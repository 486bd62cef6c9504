"""The sketches of a library, which short clips are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, select

from fingerprinter.core.arrays import Doubles, Floats
from fingerprinter.core.fingerprint.clip_sketch import (
    ClipSpectrum,
    WarpedWindows,
    clip_sketch,
    warped_windows,
)
from fingerprinter.core.fingerprint.params import SketchSearchParams
from fingerprinter.core.fingerprint.sketch import HOP, WORD, Codes
from fingerprinter.core.fingerprint.sketch_lists import Meeting, SketchLists, make_lists
from fingerprinter.core.fingerprint.sketch_places import Place, Sketches
from fingerprinter.core.fingerprint.warp import WarpGrid
from fingerprinter.core.match.candidates import Candidate
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.identify.sketch_file import SketchFile, open_sketches, write_sketches
from fingerprinter.store.tables import feature_rows, library_metadata, schema, sketches


class SketchIndex:
    """The sketches of many tracks in memory. Those of deleted tracks do no harm.

    Parameters
    ----------
    of_tracks
        (windows, words) uint64 for each track id.
    words
        Words of 64 bits in a sketch; see `LandmarkParams.sketch_words`.
    """

    def __init__(self, of_tracks: Mapping[int, Codes], words: int) -> None:
        self._ids, self._words = list(of_tracks), words
        self._numbers = {track_id: number for number, track_id in enumerate(self._ids)}
        self._sketches = Sketches(list(of_tracks.values()))

    @classmethod
    def empty(cls) -> SketchIndex:
        """Return the index of a library without sketches."""
        return cls({}, 0)

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(
        self,
        contrast: Floats,
        limit: int,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Candidate]:
        """Return the places most like an unchanged clip, the best first.

        Parameters
        ----------
        contrast
            (frames, bands) float32 of the clip.
        limit
            Number of places at most.
        """
        if not self._ids:
            return []
        clip = clip_sketch(contrast, projections(self._words), policy)
        return [
            Candidate(self._ids[place.number], float(place.offset))
            for place in self._sketches.nearest(clip, limit, policy)
        ]

    def nearest_warped(
        self,
        clip: ClipSpectrum,
        middle: float,
        grid: WarpGrid,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Meeting]:
        """Return places like a clip under any tempo with any pitch, the best first.

        Parameters
        ----------
        clip
            The clip.
        middle
            Frame of the clip around which it is compared.
        grid
            The tempos and pitches.

        Returns
        -------
        list of Meeting
            Their numbers are the ids of tracks.
        """
        if not self._ids:
            return []
        windows = warped_windows(clip, middle, grid, projections(self._words), policy)
        return self.meetings(windows, policy)

    def meetings(
        self, windows: Iterable[WarpedWindows], policy: SketchSearchParams
    ) -> list[Meeting]:
        """Return where windows of a changed clip are most like tracks; see `nearest_warped`."""
        found = self._lists.nearest_warped(windows, policy.warped_places, policy)
        return [replace(each, number=self._ids[each.number]) for each in found]

    @cached_property
    def _lists(self) -> SketchLists:
        return make_lists(self._sketches.recordings())

    def likeness(
        self,
        clip: ClipSpectrum,
        candidates: Sequence[Candidate],
        lags: Sequence[float] = (0.0,),
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> Doubles:
        """Return (n,) how like a clip is to candidate places; see `Sketches.likeness`.

        Parameters
        ----------
        clip
            The clip.
        candidates
            A track without sketches has likeness 0.
        lags
            Frames from each candidate to the places that are compared; the likeliest counts.
        """
        found = np.zeros(len(candidates))
        known = [i for i, each in enumerate(candidates) if each.track_id in self._numbers]
        places = [
            Place(self._numbers[each.track_id], each.offset + lag, each.warp)
            for each in (candidates[i] for i in known)
            for lag in lags
        ]
        if places:
            likeness = self._sketches.likeness(clip, places, projections(self._words), policy)
            found[known] = likeness.reshape(-1, len(lags)).max(axis=1)
        return found


@dataclass(frozen=True, slots=True)
class ListedSketches:
    """What proposes places in a library whose sketches are too many for the memory.

    Parameters
    ----------
    file
        The mapped file of sketches; None where there is none.
    rest
        The sketches of the tracks that came after the file was written, if they fit in memory.
    """

    file: SketchFile | None
    rest: SketchIndex

    def nearest(
        self,
        contrast: Floats,
        limit: int,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Candidate]:
        """Return places that are like an unchanged clip; see `SketchIndex.nearest`."""
        found = self.rest.nearest(contrast, limit, policy)
        if self.file is None:
            return found
        words = self.file.lists.codes.shape[1]
        clip = clip_sketch(contrast, projections(words), policy)
        return found + [
            Candidate(int(self.file.ids[place.number]), float(place.offset))
            for place in self.file.lists.nearest(clip, limit, policy)
        ]

    def nearest_warped(
        self,
        clip: ClipSpectrum,
        middle: float,
        grid: WarpGrid,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Meeting]:
        """Return places like a changed clip; see `SketchIndex.nearest_warped`."""
        if self.file is None:
            return self.rest.nearest_warped(clip, middle, grid, policy)
        words = self.file.lists.codes.shape[1]
        windows: Iterable[WarpedWindows]
        windows = warped_windows(clip, middle, grid, projections(words), policy)
        found: list[Meeting] = []
        if len(self.rest):
            windows = list(windows)  # 30 MB; to make them takes half of the time of the search
            found = self.rest.meetings(windows, policy)
        return found + [
            replace(each, number=int(self.file.ids[each.number]))
            for each in self.file.lists.nearest_warped(windows, policy.warped_places, policy)
        ]


class StoredSketches:
    """The sketches of a library that are too many for the memory. Those of candidates are read.

    Parameters
    ----------
    connection
        The snapshot of the library.
    words
        Words of 64 bits in a sketch; see `LandmarkParams.sketch_words`.
    listed
        What proposes places.
    """

    def __init__(self, connection: Connection, words: int, listed: ListedSketches) -> None:
        self._connection, self._words, self._listed = connection, words, listed

    @property
    def listed(self) -> bool:
        """Whether there is a file of lists."""
        return self._listed.file is not None

    def nearest(
        self,
        contrast: Floats,
        limit: int,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Candidate]:
        """Return places that are like an unchanged clip; see `ListedSketches.nearest`."""
        return self._listed.nearest(contrast, limit, policy)

    def nearest_warped(
        self,
        clip: ClipSpectrum,
        middle: float,
        grid: WarpGrid,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Meeting]:
        """Return places like a changed clip; see `SketchIndex.nearest_warped`."""
        return self._listed.nearest_warped(clip, middle, grid, policy)

    def likeness(
        self,
        clip: ClipSpectrum,
        candidates: Sequence[Candidate],
        lags: Sequence[float] = (0.0,),
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> Doubles:
        """Return (n,) how like a clip is to candidate places, as `SketchIndex.likeness` does."""
        track_ids, version = {each.track_id for each in candidates}, projections(self._words).digest
        of_tracks = sketches.get_many(self._connection, track_ids, version, self._words)
        return SketchIndex(of_tracks, self._words).likeness(clip, candidates, lags, policy)


def read_sketches(
    connection: Connection,
    words: int,
    cache: Path,
    max_bytes: int = DEFAULT_POLICY.sketch.max_bytes,
) -> SketchIndex | ListedSketches:
    """Read all sketches of a library, or open their file where they take more than ``max_bytes``.

    Parameters
    ----------
    connection
        The snapshot of the library.
    words
        Words of 64 bits in a sketch; see `LandmarkParams.sketch_words`.
    cache
        Folder of derived files.

    Raises
    ------
    CorruptionError
        If they are damaged.
    """
    version = projections(words).digest
    if _fit(connection, words, max_bytes):
        return SketchIndex(sketches.get_all(connection, version, words), words)
    file = _open(connection, words, cache)
    last = _last(file)
    rest: dict[int, Codes] = {}
    if file and sketches.byte_count(connection, version, last) <= max_bytes:
        for some in sketches.iterate(connection, version, words, last):
            rest |= some
    return ListedSketches(file, SketchIndex(rest, words))


def update_sketch_file(
    connection: Connection,
    words: int,
    cache: Path,
    max_bytes: int = DEFAULT_POLICY.sketch.max_bytes,
) -> None:
    """Write the file of a library's sketches, where they need one and it lacks many of them.

    Up to a quarter of ``max_bytes`` may be missing: these are read into memory for a search.

    Raises
    ------
    CorruptionError
        If the sketches are damaged.
    OSError
        If the file cannot be written.
    """
    version, library_id = projections(words).digest, library_metadata.library_id(connection)
    if _fit(connection, words, max_bytes):
        return
    file = _open(connection, words, cache)
    if file and sketches.byte_count(connection, version, _last(file)) <= max_bytes // 4:
        return
    count = sketches.byte_count(connection, version) // (words * WORD // 8)
    read = partial(sketches.iterate, connection, version, words)
    write_sketches(cache / library_id, library_id, version, words, count, read)


def _fit(connection: Connection, words: int, max_bytes: int) -> bool:
    """Return whether all sketches of a library fit in memory, or it has none."""
    # Lengths of tracks tell the bytes. To ask for the length of all sketches would read them.
    frames = sum(connection.scalars(select(schema.segment.c.frame_count)))
    fit = frames // HOP * words * WORD // 8 <= max_bytes
    return fit or not feature_rows.exist(connection, schema.sketch, projections(words).digest)


def _open(connection: Connection, words: int, cache: Path) -> SketchFile | None:
    library_id = library_metadata.library_id(connection)
    return open_sketches(cache / library_id, library_id, projections(words).digest, words)


def _last(file: SketchFile | None) -> int:
    """Return the id of the last track in a file."""
    return int(file.ids[-1]) if file and len(file.ids) else 0
