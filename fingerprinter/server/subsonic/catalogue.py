"""The artists, albums and genres of a library, with ids that stay the same.

The id of an artist is a digest of the name as `normalize_name` spells it, that of an album a digest
of its artist and its name. So tags that differ in case or accents name one artist, and ids survive
restarts, re-indexing and a move to another database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from fingerprinter.core.spelling import normalize_name
from fingerprinter.store.tables.album_parts import AlbumName, AlbumPart
from fingerprinter.types import Genre

NO_ARTIST, NO_ALBUM = "[Unknown Artist]", "[Unknown Album]"
_ID_DIGITS = 20
_ARTICLES = ("the", "a", "an", "der", "die", "das", "el", "la", "los", "las", "le", "les")
IGNORED_ARTICLES = " ".join(article.capitalize() for article in _ARTICLES)


@dataclass(frozen=True, slots=True)
class Album:
    """An album, or the tracks of an artist without one.

    Attributes
    ----------
    names
        Album and album artist as tags spell them.
    cover_track
        Id of a track with a cover; of any track if there is none.
    words
        Names of album and artist as they are searched.
    """

    id: str
    name: str
    artist: str
    artist_id: str
    names: tuple[AlbumName, ...]
    genres: tuple[str, ...]
    songs: int
    duration_s: float
    year: int | None
    added_at: datetime
    cover_track: int
    words: str


@dataclass(frozen=True, slots=True)
class Artist:
    """An artist with the albums of the artist, and the albums with a track by the artist.

    Attributes
    ----------
    words
        The name as it is searched.
    """

    id: str
    name: str
    words: str
    albums: tuple[Album, ...]

    @property
    def sort_name(self) -> str:
        """The name by which artists are sorted, without an article."""
        words = self.words.split()
        return " ".join(words[1:] if words[1:] and words[0] in _ARTICLES else words)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All artists by name, all albums by name, and all genres of a library."""

    artists: dict[str, Artist]
    albums: dict[str, Album]
    genres: tuple[Genre, ...]


@lru_cache(4096)
def artist_id(name: str | None) -> str:
    """Return the id of an artist.

    Examples
    --------
    >>> artist_id("Sigur Rós") == artist_id("sigur ros")
    True
    """
    return f"ar-{_digest(_key(name))}"


def album_id(album: str | None, artist: str | None) -> str:
    """Return the id of an album of an album artist."""
    return f"al-{_digest(f'{_key(artist)}/{_key(album)}')}"  # no key has a slash


def catalogue_of(parts: Iterable[AlbumPart]) -> Catalogue:
    """Group the parts of all albums by album, artist and genre."""
    of_album: defaultdict[str, list[AlbumPart]] = defaultdict(list)
    names: dict[str, str] = {}
    albums_of: defaultdict[str, set[str]] = defaultdict(set)
    songs_of_genre: defaultdict[str, int] = defaultdict(int)
    albums_of_genre: defaultdict[str, set[str]] = defaultdict(set)
    for part in parts:
        album = album_id(part.album, part.album_artist)
        of_album[album].append(part)
        for name in (part.album_artist, part.artist):
            if name is not None or part.album_artist is None:
                names.setdefault(artist_id(name), name or NO_ARTIST)
                albums_of[artist_id(name)].add(album)
        if part.genre:
            songs_of_genre[part.genre] += part.tracks
            albums_of_genre[part.genre].add(album)
    albums = {key: _album(key, each) for key, each in of_album.items()}
    by_name = sorted(albums.values(), key=lambda each: (normalize_name(each.name), each.words))
    artists = [
        Artist(
            key,
            names[key],
            normalize_name(names[key]),
            tuple(sorted(map(albums.__getitem__, held), key=_by_year)),
        )
        for key, held in albums_of.items()
    ]
    genres = (
        Genre(name, count, len(albums_of_genre[name]))
        for name, count in sorted(songs_of_genre.items())
    )
    return Catalogue(
        {each.id: each for each in sorted(artists, key=lambda each: each.sort_name)},
        {each.id: each for each in by_name},
        tuple(genres),
    )


def has_words(query: str, words: str) -> bool:
    """Whether each word of a query begins a word of some names; both are normalised."""
    return all(f" {word}" in f" {words}" for word in query.split())


def _album(key: str, parts: list[AlbumPart]) -> Album:
    first = parts[0]
    name, artist = first.album or NO_ALBUM, first.album_artist or NO_ARTIST
    with_cover = next((part for part in parts if part.covers), first)
    return Album(
        id=key,
        name=name,
        artist=artist,
        artist_id=artist_id(first.album_artist),
        names=tuple(dict.fromkeys((part.album, part.album_artist) for part in parts)),
        genres=tuple(dict.fromkeys(part.genre for part in parts if part.genre)),
        songs=sum(part.tracks for part in parts),
        duration_s=sum(part.duration_s for part in parts),
        year=min((part.year for part in parts if part.year is not None), default=None),
        added_at=min(part.added_at for part in parts),
        cover_track=with_cover.cover_track,
        words=normalize_name(f"{name} {artist}"),
    )


def _by_year(album: Album) -> tuple[int, str]:
    return album.year or 0, album.words


@lru_cache(4096)
def _key(name: str | None) -> str:
    """Return the spelling by which names are the same; of a name without letters, itself."""
    if name is None:
        return ""
    return normalize_name(name) or f"={name.casefold().strip().replace('/', ' ')}"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:_ID_DIGITS]
