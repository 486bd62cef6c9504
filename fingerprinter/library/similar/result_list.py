"""The list of results: each recording once, and a limit for each artist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from fingerprinter.core.arrays import Floats
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.similar.filters import NO_FILTER, TrackFilter
from fingerprinter.types import Neighbour, Track

# Only tracks with at least this cosine are compared by their fingerprints. Of 16 tracks and their
# copies as MP3 of 32 kbit/s the lowest cosine was 0.92, and 0.77 with the first five seconds cut
# off. Only 32 of 61,425 pairs of other tracks reach 0.6.
MIN_COPY_COSINE = 0.6


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list of results should contain.

    Attributes
    ----------
    n
        Number of results.
    only
        Which tracks may be results.
    per_artist
        Largest number of results by one artist; None for no limit.
    per_album
        Largest number of results of one album; None for no limit.
    not_same_album
        Leave out the tracks of the albums that the queries are on.
    copies
        List every track that holds a recording, including copies of the query. By default each
        recording is listed once.
    why
        Explain each result.
    """

    n: int = 10
    only: TrackFilter = NO_FILTER
    per_artist: int | None = None
    per_album: int | None = None
    not_same_album: bool = False
    copies: bool = False
    why: bool = False


class Deduplicator:
    """Finds tracks that hold the same recording.

    The vectors select pairs that may be copies. Their fingerprints decide, because other versions
    of a song can have vectors as similar as those of copies.

    Parameters
    ----------
    units
        Standardised vectors (dim,) float32 by track id.
    query_ids
        Ids of the query tracks.
    copies
        Compares the fingerprints of two tracks.
    """

    def __init__(
        self, units: Mapping[int, Floats], query_ids: Collection[int], copies: CopyDetector
    ) -> None:
        self._units, self._query_ids, self._copies = units, query_ids, copies

    def is_copy_of_query(self, track_id: int) -> bool:
        """Return whether a track holds the same recording as a query."""
        return self.copy_among(track_id, self._query_ids) is not None

    def copy_among(self, track_id: int, others: Iterable[int]) -> int | None:
        """Return the first of other tracks that holds the same recording; None if none does."""
        for other in others:
            if track_id not in self._units or other not in self._units:
                continue
            cosine = float(self._units[track_id] @ self._units[other])
            if cosine >= MIN_COPY_COSINE and self._copies.are_copies(track_id, other):
                return other
        return None


class ResultList:
    """Results in the order in which they are offered.

    Parameters
    ----------
    options
        Length of the list and limit for each artist.
    deduplicator
        Finds copies of the query and of listed tracks; None lists every track.
    queries
        The tracks of the library that are queries.
    """

    def __init__(
        self,
        options: ListOptions,
        deduplicator: Deduplicator | None,
        queries: Iterable[Track] = (),
    ) -> None:
        self._options, self._deduplicator = options, deduplicator
        self._query_albums = {_album(track) for track in queries} - {None}
        self._listed: dict[int, Neighbour] = {}
        self._artists: Counter[str] = Counter()
        self._albums: Counter[tuple[str, str]] = Counter()

    @property
    def neighbours(self) -> list[Neighbour]:
        """The results in the order in which they were offered."""
        return list(self._listed.values())

    @property
    def is_full(self) -> bool:
        """Whether the list has its full length."""
        return len(self._listed) >= self._options.n

    def offer(self, neighbour: Neighbour) -> None:
        """Append a result if the options allow it.

        A copy of a query is left out. A copy of a listed track is added to the ``copies`` of
        that track.
        """
        track = neighbour.track
        if self._options.not_same_album and _album(track) in self._query_albums:
            return
        if self._deduplicator:
            if self._deduplicator.is_copy_of_query(track.id):
                return
            original = self._deduplicator.copy_among(track.id, self._listed)
            if original is not None:
                listed = self._listed[original]
                self._listed[original] = replace(listed, copies=(*listed.copies, track.id))
                return
        if self._is_within_limits(track):
            self._listed[track.id] = neighbour

    def _is_within_limits(self, track: Track) -> bool:
        """Count a track for its artist and its album, and return whether both limits allow it.

        Tracks of unknown artists or albums are not limited.
        """
        artist, album = (track.artist or "").strip().casefold(), _album(track)
        per_artist, per_album = self._options.per_artist, self._options.per_album
        if per_artist is not None and artist and self._artists[artist] >= per_artist:
            return False
        if per_album is not None and album and self._albums[album] >= per_album:
            return False
        self._artists[artist] += 1
        if album:
            self._albums[album] += 1
        return True


def _album(track: Track) -> tuple[str, str] | None:
    """Return the album of a track, by title and album artist; None if it is not known."""
    if not track.album:
        return None
    artist = track.album_artist or track.artist or ""
    return track.album.strip().casefold(), artist.strip().casefold()
