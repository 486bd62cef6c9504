"""OpenSubsonic over both databases: answers, logins, sound and pictures, and two real clients."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import uvicorn
from fake_library import FakeTrack, add_fake_tracks
from fastapi.testclient import TestClient
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.audio import write_wav
from fingerprinter.errors import UsageError
from fingerprinter.server.access import token_digest
from fingerprinter.server.app import create_app
from fingerprinter.server.settings import ServerSettings, check_origins
from fingerprinter.server.subsonic.endpoints import ENDPOINTS, FORBIDDEN
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses
from fingerprinter.types import Loudness, MusicAnalysis

TRACKS = [
    FakeTrack("Aurora", "Sigur Rós", "Dawn", "Ambient", mbid="0" * 36, vector=[1, 0, 0]),
    FakeTrack("Breeze", "sigur ros", "dawn", "Ambient", vector=[0.9, 0.4, 0]),
    FakeTrack("Cinder", "The Ember", "Ash", "Rock", vector=[0, 1, 0.3]),
    FakeTrack("Drift/Wood & \x01", "The Ember", vector=[0.2, 1, 0]),
]
TOKEN, PASSWORD = "the-token", "the-app-password"

Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINGERPRINTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class Player:
    """Asks a service as a player does; every answer must have the status 200."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(self, name: str, /, **parameters: Any) -> Any:
        answer = self.client.get(f"/rest/{name}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer

    def __call__(self, name: str, /, **parameters: Any) -> Json:
        body: Json = self.send(name, f="json", **parameters).json()["subsonic-response"]
        assert body["openSubsonic"] is True
        return body

    def error(self, name: str, /, **parameters: Any) -> int:
        body = self(name, **parameters)
        assert body["status"] == "failed"
        assert "\n" not in body["error"]["message"]
        return int(body["error"]["code"])

    def songs(self, query: str, **parameters: Any) -> list[str]:
        found = self("search3", query=query, **parameters)["searchResult3"]["song"]
        return [song["title"] for song in found]


@contextmanager
def player_of(url: str, **settings: Any) -> Iterator[Player]:
    app = create_app(ServerSettings(url, warm_up=False, **settings))
    with TestClient(app, base_url="http://localhost") as client:
        yield Player(client)


@pytest.fixture
def player(library_url: str) -> Iterator[Player]:
    """A player of a library of each database with `TRACKS`."""
    add_fake_tracks(library_url, TRACKS)
    with player_of(library_url) as player:
        yield player


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library in SQLite with `TRACKS`, and with a file that can be played and has a cover."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("music")
    write_wav(folder / "real.wav", play(3, 4), SR)
    Image.new("RGB", (300, 200), "red").save(folder / "cover.png")
    url = f"sqlite:///{tmp_path_factory.mktemp('library') / 'library.db'}"
    add_fake_tracks(url, TRACKS)
    with open_library(url) as library:
        library.index([folder], embeddings=False)
        library.service.app_password = PASSWORD
    return url


@pytest.fixture(scope="module")
def local(sqlite_url: str) -> Iterator[Player]:
    with player_of(sqlite_url) as player:
        yield player


@pytest.fixture(scope="module")
def guarded(sqlite_url: str) -> Iterator[Player]:
    """A player of a service that demands a login."""
    with player_of(sqlite_url, token_digest=token_digest(TOKEN)) as player:
        yield player


# --- browsing -------------------------------------------------------------------------


def test_artists_and_albums_are_the_same_in_any_spelling(player: Player) -> None:
    index = player("getArtists")["artists"]["index"]
    names = {each["name"]: [artist["name"] for artist in each["artist"]] for each in index}
    assert names == {"E": ["The Ember"], "S": ["Sigur Rós"]}
    (sigur,) = index[1]["artist"]
    (dawn,) = player("getArtist", id=sigur["id"])["artist"]["album"]
    assert (dawn["name"], dawn["songCount"], dawn["duration"]) == ("Dawn", 2, 360)
    album = player("getAlbum", id=dawn["id"])["album"]
    assert [song["title"] for song in album["song"]] == ["Aurora", "Breeze"]
    assert {song["artistId"] for song in album["song"]} == {sigur["id"]}


def test_a_song_has_what_players_show_and_no_path_of_a_file(player: Player) -> None:
    song_id = player("search3", query="aurora")["searchResult3"]["song"][0]["id"]
    song = player("getSong", id=song_id)["song"]
    assert song["path"] == "Sigur Rós/Dawn/Aurora.flac"
    assert (song["suffix"], song["contentType"], song["duration"]) == ("flac", "audio/flac", 180)
    assert song["size"] == 1
    assert (song["mediaType"], song["musicBrainzId"]) == ("song", "0" * 36)
    assert song["genres"] == [{"name": "Ambient"}]
    assert "/music/" not in player.send("search3", query="").text


def test_songs_without_an_album_are_on_an_album_of_their_artist(player: Player) -> None:
    (song,) = player("search3", query="drift")["searchResult3"]["song"]
    album = player("getAlbum", id=song["albumId"])["album"]
    assert (album["name"], album["artist"], album["songCount"]) == (
        "[Unknown Album]",
        "The Ember",
        1,
    )
    assert song["path"].startswith("The Ember/[Unknown Album]/Drift_Wood")


def test_lists_of_albums(player: Player) -> None:
    for wanted, names in (
        ({"type": "alphabeticalByName", "size": 2}, ["Ash", "Dawn"]),
        ({"type": "alphabeticalByName", "offset": 2}, ["[Unknown Album]"]),
        ({"type": "alphabeticalByArtist"}, ["Ash", "[Unknown Album]", "Dawn"]),
        ({"type": "byGenre", "genre": "Rock"}, ["Ash"]),
        ({"type": "byYear", "fromYear": 1990, "toYear": 1980}, []),
        ({"type": "starred"}, []),
    ):
        found = player("getAlbumList2", **wanted)["albumList2"]["album"]
        assert [album["name"] for album in found] == names


def test_an_empty_query_finds_everything_in_pages(player: Player) -> None:
    for query in ("", '""'):
        assert player.songs(query, songCount=3) == ["Aurora", "Breeze", "Cinder"]
        assert len(player.songs(query, songCount=500, songOffset=3)) == 1
        found = player("search3", query=query)["searchResult3"]
        assert (len(found["artist"]), len(found["album"])) == (2, 3)


def test_words_find_songs_albums_and_artists(player: Player) -> None:
    found = player("search3", query="SIGUR da")["searchResult3"]
    assert [album["name"] for album in found["album"]] == ["Dawn"]
    assert found["artist"] == []
    assert player.songs("bree*") == ["Breeze"]
    assert player.songs("...") == []


def test_genres_and_songs_by_chance(player: Player) -> None:
    genres = player("getGenres")["genres"]["genre"]
    assert genres == [
        {"value": "Ambient", "songCount": 2, "albumCount": 1},
        {"value": "Rock", "songCount": 1, "albumCount": 1},
    ]
    by_chance = player("getRandomSongs", genre="Rock")["randomSongs"]["song"]
    assert [song["title"] for song in by_chance] == ["Cinder"]
    assert len(player("getRandomSongs", size=3)["randomSongs"]["song"]) == 3
    by_genre = player("getSongsByGenre", genre="Ambient", count=1)["songsByGenre"]["song"]
    assert [song["genre"] for song in by_genre] == ["Ambient"]


def test_odd_text_finds_nothing(player: Player) -> None:
    for text in ("a\0b", "'; DROP TABLE track; --", "%", "*", '"', "\ud7ff\U0010ffff", "x" * 5000):
        assert player("getSongsByGenre", genre=text)["songsByGenre"]["song"] == []
        assert player("getAlbumList2", type="byGenre", genre=text)["albumList2"]["album"] == []
        assert player("getRandomSongs", genre=text)["randomSongs"]["song"] == []
        if text != '"':  # that is an empty query
            assert player.songs(text) == []


def test_similar_songs_have_a_similarity_from_0_to_1(player: Player) -> None:
    first = player("search3", query="aurora")["searchResult3"]["song"][0]
    matches = player("getSonicSimilarTracks", id=first["id"], count=3)["sonicMatch"]
    assert matches[0]["entry"]["title"] == "Breeze"
    similarities = [each["similarity"] for each in matches]
    assert similarities == sorted(similarities, reverse=True)
    assert 0 <= similarities[-1] < 0.5 < similarities[0] <= 1
    similar = player("getSimilarSongs", id=first["id"], count=1)["similarSongs"]["song"]
    by_artist = player("getSimilarSongs2", id=first["artistId"])["similarSongs2"]["song"]
    assert [song["title"] for song in similar] == ["Breeze"]
    assert {song["artist"] for song in by_artist} == {"The Ember"}


def test_a_path_leads_from_the_first_song_to_the_last(player: Player) -> None:
    ids = [song["id"] for song in player("search3", query="")["searchResult3"]["song"]]
    path = player("findSonicPath", startSongId=ids[0], endSongId=ids[2], count=3)["sonicMatch"]
    assert [each["entry"]["id"] for each in path][:: len(path) - 1] == [ids[0], ids[2]]
    assert path[0]["similarity"] == pytest.approx(1, abs=1e-3)
    # Like those of getSonicSimilarTracks, similarities are to the first song.
    to_first = player("getSonicSimilarTracks", id=ids[0])["sonicMatch"]
    known = {each["entry"]["id"]: each["similarity"] for each in to_first}
    assert path[-1]["similarity"] == pytest.approx(known[ids[2]], abs=2e-3)
    same = player("findSonicPath", startSongId=ids[0], endSongId=ids[0])["sonicMatch"]
    assert len(same) == 1


def test_a_catalogue_shows_what_another_process_added(player: Player, library_url: str) -> None:
    assert len(player.songs("", songCount=9)) == 4
    add_fake_tracks(library_url, [FakeTrack("Echo", "Zoe", "Dusk")])
    assert player("search3", query="zoe")["searchResult3"]["album"][0]["name"] == "Dusk"


# --- the form of answers ----------------------------------------------------------------


def test_xml_has_the_same_content(local: Player) -> None:
    answer = local.send("getAlbumList2.view", type="byGenre", genre="Rock")
    assert answer.headers["content-type"].startswith("text/xml")
    root = ElementTree.fromstring(answer.text)
    names = {"": "http://subsonic.org/restapi"}
    assert (root.get("status"), root.get("openSubsonic")) == ("ok", "true")
    album = root.find("albumList2/album", names)
    assert album is not None
    assert (album.get("name"), album.get("songCount")) == ("Ash", "1")
    genres = ElementTree.fromstring(local.send("getGenres").text)
    assert [each.text for each in genres.iterfind(".//genre", names)] == ["Ambient", "Rock"]
    hostile = ElementTree.fromstring(local.send("search3", query="drift").text)
    song = hostile.find(".//song", names)
    assert song is not None
    assert song.get("title") == "Drift/Wood & \ufffd"


def test_forms_are_read(local: Player) -> None:
    answer = local.client.post("/rest/search3.view", data={"query": "cinder", "f": "json"})
    found = answer.json()["subsonic-response"]["searchResult3"]["song"]
    assert [song["title"] for song in found] == ["Cinder"]


def test_every_endpoint_answers(local: Player) -> None:
    artist = local("getArtists")["artists"]["index"][0]["artist"][0]["id"]
    album = local("getAlbumList2", type="newest")["albumList2"]["album"][0]["id"]
    parameters = {"getArtist": {"id": artist}, "getAlbum": {"id": album}}
    song = {"id": "1", "type": "random", "query": "", "genre": "x"}
    ends = {"startSongId": "1", "endSongId": "3"}
    media = {"stream", "download", "getCoverArt"}
    for name in sorted(ENDPOINTS.keys() - media):
        body = local(name, **song | ends | parameters.get(name, {}))
        assert body["status"] == "ok", (name, body)
        assert ElementTree.fromstring(local.send(name, **song | ends).text) is not None


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("nothing", {}, 0),
        ("ping", {"f": "jsonp", "callback": "alert"}, 0),
        ("getAlbumList2", {}, 10),
        ("getAlbumList2", {"type": "best"}, 0),
        ("getAlbumList2", {"type": "newest", "size": "-1"}, 0),
        ("getAlbumList2", {"type": "byYear", "fromYear": "1990"}, 10),
        ("getSong", {}, 10),
        ("getSong", {"id": "99"}, 70),
        ("getSong", {"id": "../../etc/passwd"}, 70),
        ("getSong", {"id": "9" * 30}, 70),
        ("getArtist", {"id": "ar-0"}, 70),
        ("getAlbum", {"id": "1"}, 70),
        ("getSonicSimilarTracks", {"id": "99"}, 70),
        ("findSonicPath", {"startSongId": "1"}, 10),
        ("stream", {"id": "1"}, 70),
        ("getCoverArt", {"id": "1"}, 70),
        ("createPlaylist", {"name": "mine"}, 50),
        ("getUser", {"username": "another"}, 50),
    ],
)
def test_errors_are_told_in_the_form_of_the_protocol(
    local: Player, name: str, parameters: Json, code: int
) -> None:
    body = local.send(name, **{"f": "json"} | parameters).json()["subsonic-response"]
    assert (body["status"], body["error"]["code"]) == ("failed", code)


def test_the_documentation_names_every_endpoint() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "opensubsonic.md"
    named = set(re.findall(r"`(\w+)`", page.read_text(encoding="utf-8")))
    assert ENDPOINTS.keys() <= named


def test_players_can_change_nothing(local: Player) -> None:
    assert not FORBIDDEN & ENDPOINTS.keys()
    assert {local.error(name) for name in FORBIDDEN} == {50}


# --- logins -----------------------------------------------------------------------------


def salted(password: str, salt: str = "salt") -> Json:
    return {"u": "me", "s": salt, "t": md5((password + salt).encode()).hexdigest()}


@pytest.mark.parametrize(
    "login",
    [
        {"apiKey": TOKEN},
        {"apiKey": PASSWORD},
        {"u": "me", "p": PASSWORD},
        {"u": "me", "p": f"enc:{PASSWORD.encode().hex()}"},
        salted(PASSWORD),
    ],
)
def test_right_logins_open_the_service(guarded: Player, login: Json) -> None:
    assert guarded("ping", **login)["status"] == "ok"
    assert guarded("tokenInfo", **login)["tokenInfo"]["username"] in ("me", "listener")


@pytest.mark.parametrize(
    ("login", "code"),
    [
        ({}, 10),
        ({"u": "me"}, 10),
        ({"p": PASSWORD}, 10),
        ({"u": "me", "t": "0" * 32}, 10),
        ({"u": "me", "p": "wrong"}, 40),
        ({"u": "me", "p": TOKEN}, 40),
        ({"u": "me", "p": "enc:xyz"}, 40),
        ({"u": "me", "p": "enc:ff"}, 40),
        (salted("wrong"), 40),
        ({"apiKey": "wrong"}, 44),
        ({"apiKey": PASSWORD, "u": "me"}, 43),
        ({"apiKey": PASSWORD, "p": PASSWORD}, 43),
        (salted(PASSWORD) | {"p": PASSWORD}, 43),
    ],
)
def test_other_logins_do_not(guarded: Player, login: Json, code: int) -> None:
    for name in ("ping", "getArtists", "stream", "nothing", "createPlaylist"):
        assert guarded.error(name, **login) == code
    assert guarded("getOpenSubsonicExtensions", **login)["status"] == "ok"


def test_without_an_app_password_only_the_token_opens(library_url: str) -> None:
    with player_of(library_url, token_digest=token_digest(TOKEN)) as player:
        assert player("ping", apiKey=TOKEN)["status"] == "ok"
        assert player.error("ping", **salted("")) == 41
        assert player.error("ping", u="me", p="") == 42
        assert player.error("ping", apiKey="") == 10


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_pages_of_other_sites_need_a_login_in_each_request(
    local: Player, guarded: Player, headers: Json
) -> None:
    cookie = {"Cookie": f"fingerprinter_token={TOKEN}"}
    for player in (local, guarded):
        for send in (player.client.get, player.client.post):
            for login, code in ((None, 10), ("u=me&p=wrong", 40), ("apiKey=wrong", 44)):
                answer = send(f"/rest/getArtists?f=json&{login}", headers=headers | cookie)
                assert answer.json()["subsonic-response"]["error"]["code"] == code
            answer = send(f"/rest/getArtists?apiKey={PASSWORD}", headers=headers)
            assert 'status="ok"' in answer.text
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_of_allowed_origins_may_read_answers(sqlite_url: str) -> None:
    page, other = "https://player.example", "https://player.example.org"
    login = f"/rest/ping?f=json&apiKey={PASSWORD}"
    with player_of(sqlite_url, origins=(page,)) as player:
        for send in (player.client.get, player.client.post, player.client.options):
            allowed = send(login, headers={"Origin": page}).headers
            assert allowed["access-control-allow-origin"] == page
            assert allowed["vary"] == "Origin"
            assert "access-control-allow-credentials" not in allowed
            for origin in (other, "null", page.upper()):
                refused = send(login, headers={"Origin": origin}).headers
                assert "access-control-allow-origin" not in refused
        # a picture, whose request has no origin, must have a login
        picture = {"Sec-Fetch-Site": "cross-site"}
        shown = player.client.get(login, headers=picture)
        assert shown.headers["cross-origin-resource-policy"] == "cross-origin"
        stranger = player.client.get("/rest/ping?f=json", headers=picture)
        assert stranger.json()["subsonic-response"]["status"] == "failed"
        api = player.client.get("/api/tracks", headers={"Origin": page})
        assert api.status_code == 403


@pytest.mark.parametrize("origin", ["*", "null", "https://a.b/", "player.example", "HTTPS://a.b"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="no origin"):
        check_origins(ServerSettings(origins=(origin,)))


def test_analysed_songs_have_a_replay_gain(library_url: str) -> None:
    loud, *others = add_fake_tracks(library_url, TRACKS)
    music = MusicAnalysis(97.6, 1.0, (), None, (), Loudness(-9.5, 4.0, -0.3))
    with Database.open(library_url) as database, database.begin() as connection:
        analyses.put(connection, loud, "1", music)
    with player_of(library_url) as player:
        song = player("getSong", id=str(loud))["song"]
        assert song["replayGain"] == {"trackGain": -8.5, "trackPeak": 0.966051}
        assert song["bpm"] == 98
        assert player("getSong", id=str(others[0]))["song"]["replayGain"] == {}
        xml = player.client.get("/rest/getSong", params={"id": loud}).text
        assert '<replayGain trackGain="-8.5" trackPeak="0.966051"' in xml


# --- sound and pictures -----------------------------------------------------------------


@pytest.fixture
def real(local: Player) -> Json:
    """The song that has a file."""
    (song,) = local("search3", query="real")["searchResult3"]["song"]
    return dict(song)


def test_the_original_is_sent_by_ranges(local: Player, real: Json) -> None:
    whole = local.send("stream", id=real["id"])
    assert (whole.headers["content-type"], whole.content[:4]) == ("audio/wav", b"RIFF")
    part = local.client.get(
        "/rest/stream.view", params={"id": real["id"]}, headers={"Range": "bytes=4-7"}
    )
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    saved = local.send("download", id=real["id"])
    assert saved.content == whole.content
    assert "attachment" in saved.headers["content-disposition"]


def test_a_smaller_copy_is_sent_in_opus(local: Player, real: Json) -> None:
    lengths = []
    for wanted in ({"format": "opus"}, {"maxBitRate": 64}, {"maxBitRate": 40, "format": "mp3"}):
        answer = local.send("stream", id=real["id"], **wanted)
        assert (answer.headers["content-type"], answer.content[:4]) == ("audio/ogg", b"OggS")
        lengths.append(len(answer.content))
    assert lengths == sorted(lengths, reverse=True)
    for wanted in ({"format": "raw", "maxBitRate": 64}, {"maxBitRate": 0}, {"format": "wav"}):
        assert local.send("stream", id=real["id"], **wanted).content[:4] == b"RIFF"


def test_covers_are_sent_in_the_wanted_size(local: Player, real: Json) -> None:
    from PIL import Image

    for cover, size, wanted in (
        (real["coverArt"], {}, (300, 200)),
        (real["coverArt"], {"size": 150}, (150, 100)),
        (real["albumId"], {"size": 9000}, (300, 200)),
        (real["artistId"], {"size": 1}, (16, 11)),
    ):
        answer = local.send("getCoverArt", id=cover, **size)
        with Image.open(BytesIO(answer.content)) as picture:
            assert picture.size == wanted


# --- real clients -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(sqlite_url: str) -> Iterator[int]:
    """The port of a service with a login that listens on a socket."""
    settings = ServerSettings(sqlite_url, warm_up=False, token_digest=token_digest(TOKEN))
    config = uvicorn.Config(create_app(settings), port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)


@pytest.mark.parametrize("login", [{"username": "me", "password": PASSWORD}, {"api_key": PASSWORD}])
def test_py_opensonic_understands_the_answers(port: int, login: Json) -> None:
    libopensonic = pytest.importorskip("libopensonic")
    client = libopensonic.Connection("http://127.0.0.1", port=port, **login)
    try:
        assert client.ping()
        extensions = {each.name for each in client.get_open_subsonic_extensions()}
        assert {"sonicSimilarity", "apiKeyAuthentication", "formPost"} <= extensions
        songs = client.search3('""', song_count=500).song
        assert songs[0].title == "Aurora"
        artist = client.get_artist(songs[0].artist_id)
        album = client.get_album(artist.album[0].id)
        assert [song.title for song in album.song] == ["Aurora", "Breeze"]
        assert client.get_sonic_similar_tracks(songs[0].id)[0].entry.title == "Breeze"
        path = client.find_sonic_path(songs[0].id, songs[2].id, count=3)
        assert path[-1].entry.id == songs[2].id
        assert client.get_playlists() == []
        with pytest.raises(libopensonic.errors.DataNotFoundError):
            client.get_song("99")
    finally:
        client.cleanup()


def test_py_sonic_understands_the_answers(port: int) -> None:
    libsonic = pytest.importorskip("libsonic")
    client = libsonic.Connection("http://127.0.0.1", "me", PASSWORD, port=port)
    assert client.ping()
    albums = client.getAlbumList2("alphabeticalByName")["albumList2"]["album"]
    assert "Dawn" in [album["name"] for album in albums]
    (song,) = client.search3("real")["searchResult3"]["song"]
    assert client.stream(song["id"]).read(4) == b"RIFF"
    assert client.getCoverArt(song["coverArt"], size=100).read(3) == b"\xff\xd8\xff"
    wrong = libsonic.Connection("http://127.0.0.1", "me", "wrong", port=port)
    with pytest.raises(libsonic.errors.CredentialError):
        wrong.ping()
