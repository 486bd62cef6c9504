"""Lists of what a library holds, as a program shows them page by page."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from fingerprinter.library.base.snapshots import RecentValues
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import album_parts, analyses, files, library_metadata, lists, tracks
from fingerprinter.store.tables.album_parts import AlbumName, AlbumPart
from fingerprinter.store.tables.analyses import Beat, Range
from fingerprinter.store.tables.lists import NO_FILTER, TrackFilter
from fingerprinter.types import Album, Artist, Genre, MusicAnalysis, Track

_LISTS_KEPT = 16  # lists of track ids whose next page is returned at once


class LibraryLists:
    """Tracks, albums, artists and genres of a library in pages; `Library.lists` is one.

    Parameters
    ----------
    database : Database
        The library.

    Notes
    -----
    In the examples ``library`` is that of `Library`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: RecentValues[array[int]] = RecentValues(_LISTS_KEPT)

    def tracks(
        self,
        wanted: TrackFilter = NO_FILTER,
        order: str = "id",
        *,
        offset: int = 0,
        limit: int = 200,
    ) -> tuple[int, list[Track]]:
        """Return how many tracks a filtered and sorted list has, and a part of it.

        Parameters
        ----------
        wanted : TrackFilter
            Which tracks the list holds.
        order : str
            One of `fingerprinter.store.tables.lists.ORDERS`, downwards with a dash before it.
        offset, limit : int
            The part.

        Examples
        --------
        >>> total, part = library.lists.tracks(order="-title", limit=2)
        >>> total, [track.title for track in part]
        (4, ['Piece 3', 'Piece 2'])
        """
        with self._database.connect() as connection:
            if wanted.needs_analysis:  # an analysis does not change the revision
                ids = lists.track_ids(connection, wanted, order)
            else:
                ids = self._kept.get(
                    (wanted, order, library_metadata.revision(connection)),
                    lambda: lists.track_ids(connection, wanted, order),
                )
            part = ids[offset : offset + limit]
            known = tracks.get_many(connection, part)
            return len(ids), [known[track_id] for track_id in part]

    def albums(
        self, query: str = "", *, offset: int = 0, limit: int = 200
    ) -> tuple[int, list[Album]]:
        """Return how many albums have a track with some words in its names, and a part by name.

        Examples
        --------
        >>> library.lists.albums()
        (0, [])
        """
        with self._database.connect() as connection:
            return lists.albums(connection, query, offset=offset, limit=limit)

    def artists(
        self, query: str = "", *, offset: int = 0, limit: int = 200
    ) -> tuple[int, list[Artist]]:
        """Return how many artists have a track with some words in its names, and a part by name.

        Examples
        --------
        >>> library.lists.artists("nobody")
        (0, [])
        """
        with self._database.connect() as connection:
            return lists.artists(connection, query, offset=offset, limit=limit)

    def genres(self) -> list[Genre]:
        """Return all genres with their numbers of tracks and albums, the most common first.

        Examples
        --------
        >>> library.lists.genres()
        []
        """
        with self._database.connect() as connection:
            return lists.genres(connection)

    def album_parts(self) -> list[AlbumPart]:
        """Return all tracks in groups of the same album, album artist, artist and genre.

        Examples
        --------
        >>> [part.tracks for part in library.lists.album_parts()]
        [4]
        """
        with self._database.connect() as connection:
            return album_parts.album_parts(connection)

    def album_tracks(self, names: Sequence[AlbumName]) -> list[Track]:
        """Return the tracks of some albums, by disc and number on it.

        Parameters
        ----------
        names : sequence of (album, album artist)
            As tags spell them; None for tracks without the tag.

        Examples
        --------
        >>> [track.title for track in library.lists.album_tracks([(None, None)])]
        ['Piece 0', 'Piece 1', 'Piece 2', 'Piece 3']
        """
        with self._database.connect() as connection:
            return album_parts.tracks_of_albums(connection, names)

    def random_tracks(
        self, n: int = 10, *, genre: str | None = None, year: Range = (None, None)
    ) -> list[Track]:
        """Return some tracks by chance.

        Parameters
        ----------
        n : int
            The number of tracks to return at most.
        genre : str, optional
            The genre, spelled exactly as in the tags.
        year : (first, last)
            The first and the last year; None for no limit on that side.

        Examples
        --------
        >>> len(library.lists.random_tracks(3))
        3
        """
        with self._database.connect() as connection:
            return album_parts.random_tracks(connection, n, genre=genre, year=year)

    def file_sizes(self, track_ids: Sequence[int]) -> dict[int, int]:
        """Return the size in bytes of the first file of each track that has a file.

        Examples
        --------
        >>> list(library.lists.file_sizes([1, 99]))
        [1]
        """
        with self._database.connect() as connection:
            return files.sizes(connection, track_ids)

    def tracks_by_id(self, track_ids: Sequence[int]) -> dict[int, Track]:
        """Return tracks by id. Ids of no track are left out.

        Examples
        --------
        >>> [track.title for track in library.lists.tracks_by_id([1, 99]).values()]
        ['Piece 0']
        """
        with self._database.connect() as connection:
            return tracks.get_many(connection, track_ids)

    def beats(self, track_ids: Sequence[int]) -> dict[int, Beat]:
        """Return tempo and key of analysed tracks, by track id.

        Examples
        --------
        >>> library.lists.beats([99])
        {}
        """
        with self._database.connect() as connection:
            return analyses.beats(connection, track_ids)

    def stored_analyses(self, track_ids: Sequence[int]) -> dict[int, MusicAnalysis]:
        """Return the stored analyses of tracks, by track id.

        Raises
        ------
        CorruptionError
            If one of them is damaged.

        Examples
        --------
        >>> library.lists.stored_analyses([99])
        {}
        """
        with self._database.connect() as connection:
            return analyses.get_many(connection, track_ids, None)
