"""The endpoints of the protocol: one function each, and the table of all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from starlette.responses import Response

from fingerprinter.server import media
from fingerprinter.server.service import Service
from fingerprinter.server.subsonic import pictures, values
from fingerprinter.server.subsonic.answers import Code, Payload, SubsonicError
from fingerprinter.server.subsonic.catalogue import Album, Catalogue, artist_id, has_words
from fingerprinter.server.subsonic.parameters import Parameters
from fingerprinter.store.tables.lists import TrackFilter
from fingerprinter.types import Track

MAX_PAGE = 500  # what the protocol allows
MAX_OFFSET = 1 << 40
_MAX_PATH = 200
_MAX_QUERIES = 20  # tracks of an album or artist that are compared with the library
_OPUS_KBPS = (32, 64, 96, 128)
_FOLDER = 1  # the id of the only music folder
_EXTENSIONS = {"apiKeyAuthentication": [1], "formPost": [1], "sonicSimilarity": [1]}
_CHANGES = """
addChatMessage changePassword createBookmark createInternetRadioStation createPlaylist
createPodcastChannel createShare createUser deleteBookmark deleteInternetRadioStation
deletePlaylist deletePodcastChannel deletePodcastEpisode deleteShare deleteUser
downloadPodcastEpisode getUsers jukeboxControl refreshPodcasts reportPlayback savePlayQueue
savePlayQueueByIndex setRating star startScan unstar updateInternetRadioStation updatePlaylist
updateShare updateUser
"""
_NEVER = "1970-01-01T00:00:00Z"
_KEEP = {"Cache-Control": "private, max-age=86400"}


@dataclass(frozen=True)
class Call:
    """A request of a player.

    Attributes
    ----------
    user : str
        The name with which the player logged in; empty for what needs no login.
    """

    service: Service
    parameters: Parameters
    user: str

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue, which stays the same in one request."""
        return self.service.catalogue()

    def track(self, name: str = "id") -> Track:
        """Return the track that a parameter names."""
        return self.service.library.track(_track_id(self.parameters.required(name)))

    def page(self, name: str = "", default: int = 20) -> tuple[int, int]:
        """Return offset and length of a page of songs, albums or artists."""
        size, offset = (f"{name}Count", f"{name}Offset") if name else ("size", "offset")
        length = self.parameters.number(size, default, MAX_PAGE)
        return self.parameters.number(offset, 0, MAX_OFFSET), length

    def songs(self, tracks: Sequence[Track]) -> list[Payload]:
        """Return tracks as songs."""
        lists, ids = self.service.library.lists, [each.id for each in tracks]
        return values.songs(tracks, lists.stored_analyses(ids), lists.file_sizes(ids))


Answer = Payload | Response


# --- the service ------------------------------------------------------------------------


def ping(_: Call) -> Answer:
    """Say that the service and the login work."""
    return {}


def get_license(_: Call) -> Answer:
    """Say that this software needs no licence key."""
    return {"license": {"valid": True}}


def get_extensions(_: Call) -> Answer:
    """Name the extensions of the protocol that are served."""
    found = [{"name": name, "versions": each} for name, each in _EXTENSIONS.items()]
    return {"openSubsonicExtensions": found}


def token_info(call: Call) -> Answer:
    """Name the user of a login."""
    return {"tokenInfo": {"username": call.user}}


def get_user(call: Call) -> Answer:
    """Say what the user may do: listen and download."""
    if call.parameters.text("username") not in (None, "", call.user):
        raise SubsonicError(Code.FORBIDDEN, "each user may ask for that user only")
    no = ("admin", "settings", "upload", "playlist", "coverArt", "comment", "podcast", "jukebox")
    roles = {f"{name}Role": False for name in (*no, "share", "videoConversion")}
    yes = {"downloadRole": True, "streamRole": True, "scrobblingEnabled": False}
    return {"user": {"username": call.user, **yes, **roles, "folder": [_FOLDER]}}


def get_music_folders(_: Call) -> Answer:
    """Name the only folder, which is the whole library."""
    return {"musicFolders": {"musicFolder": [{"id": _FOLDER, "name": "Music"}]}}


def get_scan_status(call: Call) -> Answer:
    """Say whether a job indexes files, and how many tracks there are."""
    jobs = call.service.jobs.newest()
    scanning = any(job.kind == "index" and job.state == "running" for job in jobs)
    count, _ = call.service.library.lists.tracks(limit=0)
    return {"scanStatus": {"scanning": scanning, "count": count}}


# --- artists, albums and songs ------------------------------------------------------------


def get_artists(call: Call) -> Answer:
    """List all artists by their first letters."""
    return {"artists": values.artist_index(call.catalogue.artists.values())}


def get_artist(call: Call) -> Answer:
    """Return an artist with the albums."""
    found = call.catalogue.artists.get(call.parameters.required("id"))
    if found is None:
        raise _not_found("artist")
    albums = [values.album(each) for each in found.albums]
    return {"artist": {**values.artist(found), "album": albums}}


def get_album(call: Call) -> Answer:
    """Return an album with its songs."""
    found = call.catalogue.albums.get(call.parameters.required("id"))
    if found is None:
        raise _not_found("album")
    songs = call.songs(call.service.library.lists.album_tracks(found.names))
    return {"album": {**values.album(found), "song": songs}}


def get_album_list(call: Call) -> Answer:
    """List albums in the order of a list, in pages."""
    offset, length = call.page(default=10)
    found = _albums(call)[offset : offset + length]
    return {"albumList2": {"album": [values.album(each) for each in found]}}


def get_song(call: Call) -> Answer:
    """Return a song."""
    (song,) = call.songs([call.track()])
    return {"song": song}


def get_genres(call: Call) -> Answer:
    """List all genres."""
    return {"genres": {"genre": [values.genre(each) for each in call.catalogue.genres]}}


def get_songs_by_genre(call: Call) -> Answer:
    """List the songs of a genre, in pages."""
    wanted = TrackFilter(genre=call.parameters.required("genre"), exact=True)
    length = call.parameters.number("count", 10, MAX_PAGE)
    offset = call.parameters.number("offset", 0, MAX_OFFSET)
    _, found = call.service.library.lists.tracks(wanted, "artist", offset=offset, limit=length)
    return {"songsByGenre": {"song": call.songs(found)}}


def get_random_songs(call: Call) -> Answer:
    """Choose songs by chance."""
    year = call.parameters.year("fromYear"), call.parameters.year("toYear")
    size = call.parameters.number("size", 10, MAX_PAGE)
    genre = call.parameters.text("genre") or None
    found = call.service.library.lists.random_tracks(size, genre=genre, year=year)
    return {"randomSongs": {"song": call.songs(found)}}


def search(call: Call) -> Answer:
    """Search; an empty query, or one of two quotation marks, finds everything in pages.

    Words that stand in no name are taken for those that are spelt most like them.
    """
    query = (call.parameters.text("query") or "").strip(' "')
    words = call.service.library.correct_names(query)
    if query and not words:
        return {"searchResult3": {"artist": [], "album": [], "song": []}}
    artists = [each for each in call.catalogue.artists.values() if has_words(words, each.words)]
    albums = [each for each in call.catalogue.albums.values() if has_words(words, each.words)]
    artist_offset, artist_length = call.page("artist")
    album_offset, album_length = call.page("album")
    offset, length = call.page("song")
    order = "match" if words else "id"  # pages by id stay the same while tracks are added
    _, tracks = call.service.library.lists.tracks(
        TrackFilter(query=words), order, offset=offset, limit=length
    )
    found = {
        "artist": list(map(values.artist, artists[artist_offset : artist_offset + artist_length])),
        "album": list(map(values.album, albums[album_offset : album_offset + album_length])),
        "song": call.songs(tracks),
    }
    return {"searchResult3": found}


# --- similarity ---------------------------------------------------------------------------


def get_similar_songs(call: Call) -> Answer:
    """List songs that sound like a song, an album or an artist."""
    return {"similarSongs": {"song": _similar_songs(call)}}


def get_similar_songs_2(call: Call) -> Answer:
    """List songs that sound like a song, an album or an artist."""
    return {"similarSongs2": {"song": _similar_songs(call)}}


def get_sonic_similar_tracks(call: Call) -> Answer:
    """List songs that sound like a song, each with its similarity."""
    track, count = call.track(), call.parameters.number("count", 10, MAX_PAGE)
    if not count:
        return {"sonicMatch": []}
    with call.service.searches.enter():
        found = call.service.library.similar(track, count)
    return _matches(call, [each.track for each in found], [each.similarity for each in found])


def find_sonic_path(call: Call) -> Answer:
    """Lead from one song to another in small steps; similarities are to the first."""
    start, end = call.track("startSongId"), call.track("endSongId")
    count = call.parameters.number("count", 25, _MAX_PATH)
    if start.id == end.id:
        return _matches(call, [start], [1.0])
    library = call.service.library
    with call.service.searches.enter():
        path = [each.track for each in library.path(start, end, max(count, 2))]
        vectors = library.library_vectors()
        rows = vectors.ids.searchsorted([track.id for track in path])
        to_start = vectors.likeness(rows[:1])[rows, 0]
    return _matches(call, path, to_start.tolist())


# --- sound and pictures -------------------------------------------------------------------


def stream(call: Call) -> Answer:
    """Send the file of a track, or a copy in Opus: if it is asked for, needed, or smaller."""
    track, cache = call.track(), call.service.cache("audio")
    form = (call.parameters.text("format") or "").lower()
    limit = call.parameters.number("maxBitRate", 0, 1 << 30)
    with call.service.pictures.enter():
        if form == "raw":
            file = media.original(track, cache)
        elif _is_small(track, limit) and form in ("", media.suffix_of(track)):
            file = media.playable(track, cache)
        else:
            kbps = max((each for each in _OPUS_KBPS if each <= limit), default=_OPUS_KBPS[0])
            bits_per_s = kbps * 1000 if limit else media.OPUS_BITS_PER_S
            file = media.playable(track, cache, codecs=frozenset(), bits_per_s=bits_per_s)
    return media.SoundResponse(file.path, media_type=file.media_type, headers=_KEEP)


def download(call: Call) -> Answer:
    """Send the file of a track."""
    track = call.track()
    with call.service.pictures.enter():
        file = media.original(track, call.service.cache("audio"))
    stem = values.song_path(track).rsplit("/", 1)[-1].removesuffix(f".{media.suffix_of(track)}")
    return media.SoundResponse(
        file.path, media_type=file.media_type, filename=f"{stem}{file.path.suffix}", headers=_KEEP
    )


def get_cover_art(call: Call) -> Answer:
    """Send the cover of a song, of an album, or of the first album of an artist."""
    wanted = call.parameters.required("id")
    size = call.parameters.number("size", 0, pictures.LARGEST)
    artist = call.catalogue.artists.get(wanted)
    album = artist.albums[0] if artist else call.catalogue.albums.get(wanted)
    track_id = album.cover_track if album else _track_id(wanted)
    found = media.cover(call.service.library.track(track_id))
    if size:
        with call.service.covers.enter():
            found = pictures.resized(found, size)
    return Response(found.data, media_type=found.media_type, headers=_KEEP)


# --- what this service does not keep ------------------------------------------------------


def get_play_queue(call: Call) -> Answer:
    """Return an empty queue."""
    queue = {"username": call.user, "changed": _NEVER, "changedBy": "", "entry": []}
    return {"playQueue": queue}


def _empty(element: str, *lists: str) -> Callable[[Call], Answer]:
    """Return an endpoint whose answer has no entries."""
    return lambda _: {element: {name: [] for name in lists}}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, and whether it demands a login."""

    reply: Callable[[Call], Answer]
    is_open: bool = False


ENDPOINTS = {
    "ping": Endpoint(ping),
    "getLicense": Endpoint(get_license),
    "getOpenSubsonicExtensions": Endpoint(get_extensions, is_open=True),
    "tokenInfo": Endpoint(token_info),
    "getUser": Endpoint(get_user),
    "getMusicFolders": Endpoint(get_music_folders),
    "getScanStatus": Endpoint(get_scan_status),
    "getArtists": Endpoint(get_artists),
    "getArtist": Endpoint(get_artist),
    "getAlbum": Endpoint(get_album),
    "getAlbumList2": Endpoint(get_album_list),
    "getSong": Endpoint(get_song),
    "getGenres": Endpoint(get_genres),
    "getSongsByGenre": Endpoint(get_songs_by_genre),
    "getRandomSongs": Endpoint(get_random_songs),
    "search3": Endpoint(search),
    "getSimilarSongs": Endpoint(get_similar_songs),
    "getSimilarSongs2": Endpoint(get_similar_songs_2),
    "getSonicSimilarTracks": Endpoint(get_sonic_similar_tracks),
    "findSonicPath": Endpoint(find_sonic_path),
    "getCoverArt": Endpoint(get_cover_art),
    "stream": Endpoint(stream),
    "download": Endpoint(download),
    "getStarred2": Endpoint(_empty("starred2", "artist", "album", "song")),
    "getPlaylists": Endpoint(_empty("playlists", "playlist")),
    "getInternetRadioStations": Endpoint(_empty("internetRadioStations", "internetRadioStation")),
    "getPodcasts": Endpoint(_empty("podcasts", "channel")),
    "getLyricsBySongId": Endpoint(_empty("lyricsList", "structuredLyrics")),
    "getPlayQueue": Endpoint(get_play_queue),
    "getArtistInfo2": Endpoint(_empty("artistInfo2", "similarArtist")),
    "getAlbumInfo2": Endpoint(_empty("albumInfo")),
    "getTopSongs": Endpoint(_empty("topSongs", "song")),
    "scrobble": Endpoint(ping),
}
"""All endpoints by name."""

FORBIDDEN = frozenset(_CHANGES.split())
"""Endpoints that would change something, which nobody may do."""


def _track_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _not_found("song")
    return int(text)


def _not_found(kind: str) -> SubsonicError:
    return SubsonicError(Code.NOT_FOUND, f"the library has no such {kind}")


def _is_small(track: Track, limit: int) -> bool:
    """Whether a file has at most a number of kbit/s; 0 is no limit."""
    return not limit or (track.bit_rate is not None and track.bit_rate <= limit * 1000)


def _albums(call: Call) -> list[Album]:
    """Return the albums of a list, all of them, in its order."""
    kind, albums = call.parameters.required("type"), list(call.catalogue.albums.values())
    if kind == "alphabeticalByName":
        return albums
    if kind == "alphabeticalByArtist":
        artists = call.catalogue.artists
        return sorted(albums, key=lambda each: (artists[each.artist_id].sort_name, each.words))
    if kind == "newest":
        return sorted(albums, key=lambda each: each.added_at, reverse=True)
    if kind == "random":
        return random.sample(albums, len(albums))
    if kind == "byGenre":
        genre = call.parameters.required("genre")
        return [each for each in albums if genre in each.genres]
    if kind == "byYear":
        for name in ("fromYear", "toYear"):
            call.parameters.required(name)
        first, last = (call.parameters.year(name) or 0 for name in ("fromYear", "toYear"))
        low, high = sorted((first, last))
        found = [each for each in albums if each.year is not None and low <= each.year <= high]
        return sorted(found, key=lambda each: each.year or 0, reverse=first > last)
    if kind in ("frequent", "highest", "recent", "starred"):
        return []  # nobody counts plays or rates albums here
    raise SubsonicError(Code.GENERIC, f"type={kind[:50]!r}: there is no such list of albums")


def _similar_songs(call: Call) -> list[Payload]:
    """Return the songs that are similar to a song, to an album, or to the songs of an artist."""
    wanted, count = call.parameters.required("id"), call.parameters.number("count", 50, MAX_PAGE)
    library = call.service.library
    artist, album = call.catalogue.artists.get(wanted), call.catalogue.albums.get(wanted)
    if artist or album:
        albums = artist.albums if artist else [album] if album else []
        tracks = library.lists.album_tracks([name for each in albums for name in each.names])
        queries = [each for each in tracks if not artist or _is_by(each, artist.id)]
    else:
        queries = [library.track(_track_id(wanted))]
    if not count:
        return []
    with call.service.searches.enter():
        found = library.similar(queries[:_MAX_QUERIES], count)
    return call.songs([each.track for each in found])


def _is_by(track: Track, artist: str) -> bool:
    return artist in map(artist_id, (track.artist, track.album_artist))


def _matches(call: Call, tracks: Sequence[Track], similarities: Sequence[float]) -> Answer:
    pairs = zip(call.songs(tracks), similarities, strict=True)
    return {"sonicMatch": [values.sonic_match(*pair) for pair in pairs]}
