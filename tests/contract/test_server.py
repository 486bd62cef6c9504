"""The HTTP API over both databases, without a network: lists, discovery, access, bad requests."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import DIALECTS, PostgresServer
from fake_library import FakeTrack, add_fake_tracks
from fastapi.testclient import TestClient
from synthetic import SR, play
from waiting import until

from fingerprinter.audio import write_wav
from fingerprinter.server.access import token_digest
from fingerprinter.server.app import create_app
from fingerprinter.server.derived import write_duplicates
from fingerprinter.server.settings import ServerSettings
from fingerprinter.server.watching import watch_folders
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import files
from fingerprinter.types import DuplicateGroup, DuplicateReport, Evidence

TRACKS = [
    FakeTrack("Aurora", "Air", "Dawn", "Ambient", mbid="0" * 36, vector=[1, 0, 0]),
    FakeTrack("Breeze", "Air", "Dawn", "Ambient", vector=[0.9, 0.4, 0]),
    FakeTrack("Cinder", "Ember", "Ash", "Rock", vector=[0, 1, 0.3]),
    FakeTrack("Zephyr <img src=x>", "Ember & Co", "Ash", "Rock", vector=[0.2, 1, 0]),
]
TOKEN = "the-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Json = dict[str, Any]


def client_of(settings: ServerSettings, **options: Any) -> TestClient:
    return TestClient(create_app(settings), base_url="http://localhost", **options)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINGERPRINTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=DIALECTS)
def reading(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A service over `TRACKS` in each database, whose ids are 1 to 4. Tests only read it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('read') / 'read.db'}"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql_server")
        server.execute("CREATE DATABASE read TEMPLATE empty")
        url = server.url("read")
    assert add_fake_tracks(url, TRACKS) == [1, 2, 3, 4]
    with client_of(ServerSettings(library=url, warm_up=False)) as client:
        yield client


@pytest.fixture
def ids(library_url: str) -> list[int]:
    """The ids of `TRACKS` in a library of each database."""
    return add_fake_tracks(library_url, TRACKS)


@pytest.fixture
def client(library_url: str, ids: list[int]) -> Iterator[TestClient]:
    with client_of(ServerSettings(library=library_url, warm_up=False)) as client:
        yield client


@pytest.fixture
def new_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty library in SQLite, for what other tests check in each database."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'new.db')}"


@pytest.fixture
def new(new_url: str) -> Iterator[TestClient]:
    with client_of(ServerSettings(library=new_url, warm_up=False)) as client:
        yield client


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library in SQLite with `TRACKS`."""
    url = f"sqlite:///{tmp_path_factory.mktemp('served') / 'served.db'}"
    add_fake_tracks(url, TRACKS)
    return url


@pytest.fixture(scope="module")
def local(sqlite_url: str) -> Iterator[TestClient]:
    """A service that needs no token."""
    with client_of(ServerSettings(library=sqlite_url, warm_up=False)) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(sqlite_url: str) -> Iterator[TestClient]:
    """A service with a token and no guests."""
    settings = ServerSettings(sqlite_url, warm_up=False, token_digest=token_digest(TOKEN))
    with client_of(settings) as client:
        yield client


@pytest.fixture(scope="module")
def open_to_guests(sqlite_url: str) -> Iterator[TestClient]:
    settings = ServerSettings(
        sqlite_url, warm_up=False, token_digest=token_digest(TOKEN), guests=True
    )
    with client_of(settings) as client:
        yield client


def titles(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [track["title"] for track in answer.json()["tracks"]]


def error_of(answer: Any, status: int) -> str:
    """Check the form of an error; return its code."""
    assert answer.status_code == status, answer.text
    (error,) = answer.json().values()
    assert set(error) == {"code", "message"}
    assert "\n" not in error["message"]
    return str(error["code"])


# --- lists ----------------------------------------------------------------------------


def test_tracks_are_listed_in_pages(reading: TestClient) -> None:
    page = reading.get("/api/tracks", params={"order": "title", "offset": 1, "limit": 2})
    assert titles(page) == ["Breeze", "Cinder"]
    assert page.json()["total"] == 4


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"query": "daw bre"}, ["Breeze"]),
        ({"artist": "ember"}, ["Cinder", "Zephyr <img src=x>"]),
        ({"artist": "Ember", "exact": True}, ["Cinder"]),
        ({"genre": "AMBIENT", "order": "-title"}, ["Breeze", "Aurora"]),
        ({"album_artist": "Air", "album": "Dawn", "exact": True}, ["Aurora", "Breeze"]),
        ({"year_min": 1990}, []),
        ({"duration_min": 180, "album": "dawn"}, ["Aurora", "Breeze"]),
    ],
)
def test_lists_are_filtered(reading: TestClient, wanted: Json, found: list[str]) -> None:
    assert titles(reading.get("/api/tracks", params={"order": "id"} | wanted)) == found


def test_albums_and_artists_count_their_tracks(reading: TestClient) -> None:
    albums = reading.get("/api/albums", params={"query": "dawn"}).json()
    assert [(a["album"], a["artist"], a["tracks"]) for a in albums["albums"]] == [
        ("Dawn", "Air", 2)
    ]
    artists = reading.get("/api/artists").json()
    assert [a["artist"] for a in artists["artists"]] == ["Air", "Ember", "Ember & Co"]


def test_a_list_shows_what_another_process_added(client: TestClient, library_url: str) -> None:
    assert client.get("/api/tracks").json()["total"] == 4
    add_fake_tracks(library_url, [FakeTrack("Dune", "Air")])
    assert client.get("/api/tracks").json()["total"] == 5


# --- discovery ------------------------------------------------------------------------


def test_similar_tracks_and_why(reading: TestClient) -> None:
    found = reading.get("/api/tracks/1/similar", params={"n": 1, "why": True}).json()
    assert found["query"]["title"] == "Aurora"
    assert found["results"][0]["track"]["title"] == "Breeze"
    assert found["results"][0]["why"]["shared_tags"] is not None


def test_recommendations_paths_and_words(reading: TestClient) -> None:
    first, second, third, _ = range(1, 5)
    wanted = {"like": [first], "dislike": [third], "n": 1}
    found = reading.post("/api/recommend", json=wanted).json()
    assert found["results"][0]["track"]["id"] == second
    path = reading.get("/api/path", params={"from": first, "to": third, "n": 3}).json()
    assert [path["query"]["from"]["id"], path["query"]["to"]["id"]] == [first, third]
    assert path["results"][-1]["track"]["id"] == third
    words = reading.get("/api/search", params={"query": "cinder"}).json()
    assert words["results"][0]["track"]["title"] == "Cinder"


def test_the_map_keeps_its_places_when_a_track_is_added(new: TestClient, new_url: str) -> None:
    more = [FakeTrack(f"Track {n}", vector=[np.cos(n), np.sin(n), n / 20]) for n in range(16)]
    add_fake_tracks(new_url, more)
    first = new.get("/api/map").json()
    assert first["current"]
    assert len(first["x"]) == len(first["ids"]) == 16
    late = add_fake_tracks(new_url, [FakeTrack("Late", vector=[1, 0.1, 0])])
    assert new.get("/api/map").json() == first | {"current": False}
    job = new.get("/api/jobs").json()["jobs"][0]["id"]
    new.get(f"/api/jobs/{job}/events")  # until it is over
    second = new.get("/api/map").json()
    assert second["current"]
    assert second["ids"] == [*first["ids"], *late]
    assert second["x"][:16] == first["x"]


@pytest.mark.parametrize("text", ["{}", "[" * 100_000, '{"revision": 1}', "\xff"])
def test_a_damaged_result_in_the_cache_is_made_again(
    new: TestClient, new_url: str, text: str
) -> None:
    """A damaged map was an error 500 for ever, because the new map began with the last one."""
    add_fake_tracks(new_url, [FakeTrack(f"Track {n}", vector=[n, 1, 2]) for n in range(16)])
    folder = new.app.state.service.cache("server")  # type: ignore[attr-defined]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("map.json", "duplicates.json"):
        (folder / name).write_bytes(text.encode("latin-1"))
    assert new.get("/api/duplicates").json()["revision"] is None
    found = new.get("/api/map").json()
    assert found["current"]
    assert len(found["ids"]) == 16


@pytest.mark.parametrize(
    ("tags", "title", "by"),
    [
        ({"mbid": "0" * 36}, "Aurora", "mbid"),
        ({"title": "BREEZE (Remaster)", "artist": "air feat. X"}, "Breeze", "title"),
        ({"title": "cinder"}, "Cinder", "title"),
        ({"title": "Cinder", "artist": "Ember", "duration_s": 300}, None, None),
        ({"title": "Unknown", "artist": "Nobody"}, None, None),
    ],
)
def test_tracks_are_found_by_tags(
    reading: TestClient, tags: Json, title: str | None, by: str | None
) -> None:
    found = reading.post("/api/match", json=tags).json()
    assert (found["track"] and found["track"]["title"], found["by"]) == (title, by)


def test_a_clip_is_answered_with_its_matches(reading: TestClient, tmp_path: Path) -> None:
    write_wav(tmp_path / "clip.wav", play(1, 4), SR)
    sound = (tmp_path / "clip.wav").read_bytes()
    by_body = reading.post("/api/identify?name=me", content=sound).json()
    by_form = reading.post("/api/identify", files={"file": ("me", sound)}).json()
    assert by_body["matches"] == []
    assert by_body["duration_s"] == 4
    assert by_form | {"elapsed_s": 0} == by_body | {"elapsed_s": 0}


def test_jobs_are_done_and_their_events_resumed(client: TestClient) -> None:
    job = client.post("/api/jobs", json={"kind": "duplicates"})
    assert job.status_code == 202
    url = f"/api/jobs/{job.json()['id']}/events"
    events = [each.split("\n") for each in client.get(url).text.strip().split("\n\n")]
    last = json.loads(events[-1][2].removeprefix("data: "))
    assert last["state"] == "done"
    assert events[-1][0] == f"id: {last['version']}"
    again = client.get(url, headers={"Last-Event-ID": str(last["version"])})
    assert again.text == ""
    unknown = client.get(url, headers={"Last-Event-ID": "9" * 5000})
    assert "event: job" in unknown.text
    assert client.get("/api/duplicates").json() == {"revision": 1, "current": True, "groups": []}


def test_duplicates_come_with_the_better_copy(reading: TestClient) -> None:
    service = reading.app.state.service  # type: ignore[attr-defined]
    tracks = service.library.lists.tracks_by_id(range(1, 5))
    passage = Evidence(a=2, b=1, offset_s=0, overlap_s=9, confidence=1, start_s=0, speed=1)
    groups = (
        DuplicateGroup("same", (tracks[2], tracks[1]), (passage,)),
        DuplicateGroup("part", (tracks[3], tracks[4]), ()),
    )
    write_duplicates(service.cache("server"), 1, DuplicateReport(groups))
    found = reading.get("/api/duplicates").json()["groups"]
    assert [(each["kind"], each["better"], each["reason"]) for each in found] == [
        ("same", 1, "more tags"),
        ("part", None, None),
    ]
    assert found[0]["evidence"][0]["overlap_s"] == 9


def test_exact_copies_are_known_without_a_search(client: TestClient, ids: list[int]) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    path = "/music/again.flac"
    with Database.open(service.settings.library) as database, database.begin() as connection:
        files.set_file(connection, path, ids[1], size=1, mtime_ns=1)
    (group,) = client.get("/api/duplicates").json()["groups"]
    assert (group["kind"], group["better"], group["reason"]) == ("exact", None, None)
    first = client.get(f"/api/tracks/{ids[1]}").json()["track"]["path"]
    assert [track["path"] for track in group["tracks"]] == [first, path]


def test_a_library_that_can_only_be_read_is_served(new_url: str) -> None:
    add_fake_tracks(new_url, TRACKS)
    settings = ServerSettings(library=new_url, warm_up=False, read_only=True)
    with client_of(settings) as client:
        assert len(titles(client.get("/api/tracks"))) == len(TRACKS)
        assert client.get("/api/tracks/1/similar").json()["results"]
        assert client.get("/api/map").status_code == 200
        for answer in (
            client.post("/api/jobs", json={"kind": "analyze"}),
            client.delete("/api/jobs/1"),
        ):
            assert error_of(answer, 403) == "read_only"
        assert client.get("/api/jobs").json() == {"jobs": []}


def test_unknown_parameters_and_keys_are_refused(local: TestClient) -> None:
    """A misspelt filter would let all tracks through. Players and health checks may send more."""
    answer = local.get("/api/tracks", params={"artits": "Ember"})
    assert error_of(answer, 422) == "usage"
    assert answer.json()["error"]["message"].startswith("artits: no such parameter here; there are")
    answer = local.post("/api/recommend", json={"like": [1], "dislikes": [2]})
    assert error_of(answer, 422) == "usage"
    assert answer.json()["error"]["message"].startswith("dislikes: ")
    assert local.get("/api/tracks/1", params={"x": ""}).status_code == 422
    assert local.get("/api/tracks/1/similar", params={"per_artist": 1}).status_code == 200
    assert local.get("/healthz", params={"t": "1"}).status_code == 200
    assert "ok" in local.get("/rest/ping", params={"f": "json", "t_": "1"}).text


def test_an_indexed_folder_is_in_the_library(new: TestClient, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    write_wav(tmp_path / "music" / "new.wav", play(2, 5), SR)
    (tmp_path / "music" / "broken.wav").write_bytes(b"RIFF")
    options = {"kind": "index", "paths": [str(tmp_path / "music")], "embeddings": False}
    number = new.post("/api/jobs", json=options).json()["id"]
    new.get(f"/api/jobs/{number}/events")
    job = new.get(f"/api/jobs/{number}").json()
    assert (job["state"], job["report"]["indexed"], job["report"]["failed"]) == ("done", 1, 1)
    track = new.get("/api/tracks", params={"order": "-id"}).json()["tracks"][0]["id"]
    waveform = new.get(f"/api/tracks/{track}/waveform").json()
    assert len(waveform["peaks"]) == 1000
    assert 0 < max(waveform["peaks"]) <= 1
    opus = new.get(f"/api/tracks/{track}/audio", params={"transcode": True})
    assert opus.content.startswith(b"OggS")
    part = new.get(f"/api/tracks/{track}/audio", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.headers["content-type"]) == (206, "audio/wav")
    whole = new.get(f"/api/tracks/{track}/audio", headers={"Range": "seconds=1-2"})
    assert (whole.status_code, whole.content[4:8]) == (200, part.content)
    head = new.head(f"/api/tracks/{track}/audio")
    assert (head.status_code, head.headers["accept-ranges"], head.content) == (200, "bytes", b"")


# --- access ---------------------------------------------------------------------------


def test_names_of_other_hosts_are_refused(local: TestClient) -> None:
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[", ""):
        assert error_of(local.get("/api/tracks", headers={"Host": host}), 421) == "host"
    for host in ("127.0.0.1:8765", "localhost:1", "[::1]:8765", "LOCALHOST."):
        assert local.get("/api/tracks", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_pages_of_other_sites_can_do_nothing(local: TestClient, headers: Json) -> None:
    answer = local.post("/api/jobs", json={"kind": "map"}, headers=headers)
    assert error_of(answer, 403) == "origin"
    assert error_of(local.get("/api/tracks", headers=headers), 403) == "origin"
    assert "map" not in local.get("/api/jobs").text


def test_without_the_token_nothing_is_told(guarded: TestClient) -> None:
    for url in ("/api/tracks", "/api/tracks/1", "/api/jobs", "/metrics", "/api/map"):
        assert error_of(guarded.get(url), 401) == "token"
        wrong = {"Authorization": "Bearer wrong"}
        assert error_of(guarded.get(url, headers=wrong), 401) == "token"
        assert guarded.get(url, headers=BEARER).status_code == 200
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/api/session").json()["role"] == "stranger"


def test_logging_in_sets_a_cookie_that_scripts_cannot_read(guarded: TestClient) -> None:
    assert error_of(guarded.post("/api/session", json={"token": "wrong"}), 401) == "token"
    answer = guarded.post("/api/session", json={"token": TOKEN})
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    assert guarded.get("/api/session").json()["role"] == "owner"
    guarded.delete("/api/session")
    assert guarded.get("/api/session").json()["role"] == "stranger"


def test_guests_search_but_see_no_paths_and_start_nothing(open_to_guests: TestClient) -> None:
    guest = open_to_guests
    answers = [
        guest.get(url)
        for url in (
            "/api/tracks",
            "/api/tracks/1",
            "/api/tracks/1/similar",
            "/api/path?from=1&to=3",
            "/api/search?query=aurora",
            "/api/clusters",
            "/api/stats",
            "/api/tracks/1/audio",
            "/api/tracks/1/analysis",
        )
    ]
    answers.append(guest.post("/api/recommend", json={"like": [1]}))
    answers.append(guest.post("/api/playlist.m3u8", json={"tracks": [1]}))
    assert not [answer.text for answer in answers if "/music/" in answer.text]
    assert not [answer.text for answer in answers if ".db" in answer.text]
    assert error_of(guest.post("/api/jobs", json={"kind": "map"}), 401) == "token"
    owner = guest.get("/api/tracks/1", headers=BEARER).json()
    assert owner["files"] == ["/music/Aurora.flac"]


def test_jobs_index_the_allowed_folders_only(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "link").symlink_to("/")
    settings = ServerSettings(sqlite_url, warm_up=False, folders=(str(tmp_path / "music"),))
    with client_of(settings) as client:
        for path in ("/etc", f"{tmp_path}/music/..", f"{tmp_path}/music/link/etc"):
            answer = client.post("/api/jobs", json={"kind": "index", "paths": [path]})
            assert error_of(answer, 403) == "forbidden"


@pytest.mark.parametrize("path", ["\0", "/music/\0x", "{loop}"])
def test_what_can_be_no_path_is_told(local: TestClient, tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    path = path.format(loop=tmp_path / "loop")
    answer = local.post("/api/jobs", json={"kind": "index", "paths": [path]})
    assert error_of(answer, 400) == "usage"


def test_what_changes_in_a_watched_folder_is_indexed_by_jobs(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    music, stop = tmp_path / "music", threading.Event()
    music.mkdir()
    write_wav(music / "written.wav", play(3, 5), SR)
    folders, library = (str(music),), f"sqlite:///{tmp_path}/library.db"
    settings = ServerSettings(library, warm_up=False, folders=folders, watch=True)
    with client_of(settings) as client:

        def reports() -> list[Json]:
            jobs = client.get("/api/jobs").json()["jobs"]
            return [job["report"] for job in reversed(jobs) if job["state"] == "done"]

        watching = threading.Thread(
            target=watch_folders, args=(settings, stop), kwargs={"still_s": 1.0}, daemon=True
        )
        watching.start()
        until(lambda: sum(report["indexed"] for report in reports()) == 1)
        assert client.get("/api/tracks").json()["tracks"][0]["path"] == str(music / "written.wav")
        write_wav(music / "new.wav", play(4, 5), SR)
        until(lambda: sum(report["indexed"] for report in reports()) == 2)
        stop.set()
        watching.join(30)
        assert not watching.is_alive()


# --- bad requests ---------------------------------------------------------------------


def test_too_large_uploads_are_refused(sqlite_url: str) -> None:
    settings = ServerSettings(sqlite_url, warm_up=False, upload_bytes=100_000)
    with client_of(settings) as client:
        sound = b"x" * 100_001
        without_length = iter([sound])
        for answer in (
            client.post("/api/identify", content=sound),
            client.post("/api/identify", content=without_length),
            client.post("/api/identify", files={"file": sound}),
            client.post("/api/recommend", content=b"[" + b"1," * 1_000_000),
        ):
            assert error_of(answer, 413) == "too_large"


def test_every_route_of_audio_takes_more_than_the_others(local: TestClient) -> None:
    paths = local.get("/openapi.json").json()["paths"]
    forms = [path for path, route in paths.items() if "multipart/form-data" in str(route)]
    assert len(forms) == 4
    for path in forms:
        assert error_of(local.post(path, content=b"x" * (1 << 21)), 422) == "audio", path


def test_all_of_a_clip_is_used_for_all_recordings_only(sqlite_url: str, tmp_path: Path) -> None:
    for seconds in (30, 60):
        write_wav(tmp_path / f"{seconds}.wav", np.zeros(seconds * SR), SR)
    short, long = ((tmp_path / f"{n}.wav").read_bytes() for n in (30, 60))
    settings = ServerSettings(
        sqlite_url, warm_up=False, clip_s=5, upload_bytes=len(short), mix_bytes=len(long)
    )
    with client_of(settings) as client:
        assert client.post("/api/identify", content=short).json()["duration_s"] == 5
        assert error_of(client.post("/api/identify", content=long), 413) == "too_large"
        answer = client.post("/api/identify?all=true&name=mix", content=long).json()
        assert (answer["clip"], answer["duration_s"], answer["matches"]) == ("mix", 60, [])
        assert error_of(client.post("/api/identify?all=true", content=long + b"x"), 413)
        broken = client.post("/api/identify?all=true&name=mix", content=b"no audio")
        assert error_of(broken, 422) == "audio"
        assert broken.json()["error"]["message"].startswith("mix: ")


def test_what_is_no_audio_is_told(local: TestClient) -> None:
    assert error_of(local.post("/api/identify", content=b"no audio"), 422) == "audio"
    assert error_of(local.post("/api/identify", content=b""), 422) == "audio"
    assert error_of(local.post("/api/identify", files={"other": b"x"}), 400) == "usage"
    told = local.post("/api/identify?name=mine", files={"file": ("theirs.wav", b"no audio")})
    assert told.json()["error"]["message"].startswith("mine: ")
    form = {"Content-Type": "multipart/form-data"}
    assert error_of(local.post("/api/identify", content=b"x", headers=form), 400) == "usage"


@pytest.mark.parametrize(
    "url",
    [
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/tracks/..%2f..%2fetc%2fpasswd/audio",
        "/api/tracks/1/../../etc/passwd",
    ],
)
def test_paths_lead_to_no_file(local: TestClient, url: str) -> None:
    answer = local.get(url)
    assert answer.status_code in (404, 422)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/api/tracks/99", 404, "unknown_track"),
        ("/api/tracks/99999999999999999999", 422, "usage"),
        ("/api/tracks/1/audio", 404, "not_found"),
        ("/api/tracks/1/cover", 404, "not_found"),
        ("/api/jobs/7", 404, "unknown_job"),
        ("/api/tracks?order=path", 422, "usage"),
        ("/api/tracks?key=H", 400, "usage"),
        ("/api/tracks?year_min=nan", 422, "usage"),
        ("/api/path?from=1&to=1", 400, "usage"),
        ("/api/search?query=%20", 400, "usage"),
        ("/api/clusters?count=50", 400, "usage"),
        ("/nothing", 404, "not_found"),
    ],
)
def test_mistakes_are_told_in_one_form(local: TestClient, url: str, status: int, code: str) -> None:
    assert error_of(local.get(url), status) == code


def test_a_body_that_is_no_json_object_is_told(local: TestClient) -> None:
    bodies: list[Json] = [
        {"json": [1]},
        {"content": b'{"like":'},
        {"content": b'{"like": [1]}'},
        {},
    ]
    for body in bodies:
        answer = local.post("/api/recommend", **body)
        assert error_of(answer, 422) == "usage"
        assert "send one as `Content-Type: application/json`" in answer.text


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", "/api/identify", "POST"),
        ("HEAD", "/api/tracks", "GET"),
        ("PUT", "/api/session", "DELETE, GET, POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_with_those_there_are(
    local: TestClient, method: str, url: str, allowed: str
) -> None:
    answer = local.request(method, url)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_answers_forbid_foreign_content(local: TestClient) -> None:
    for url in ("/api/tracks", "/docs", "/nothing", "/healthz"):
        headers = local.get(url).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    assert local.get("/api/tracks").headers["content-type"] == "application/json"


def test_the_documentation_names_every_route_and_loads_nothing(local: TestClient) -> None:
    page = local.get("/docs").text
    for path in local.get("/openapi.json").json()["paths"]:
        assert path in page
    assert "<script" not in page
    for example in ("http://127.0.0.1:8765", "https://radio.example"):
        page = page.replace(example, "")
    assert "//" not in page
