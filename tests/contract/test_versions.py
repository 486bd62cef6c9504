"""`Library.versions`: performances of a piece, copies of the recording, filters, clips."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import mutagen
import pytest
import soundfile
from fastapi.testclient import TestClient
from httpx import Response
from performances import SR, perform
from typer.testing import CliRunner, Result

from fingerprinter import open_library
from fingerprinter.cli import app
from fingerprinter.errors import UnknownTrackError, UsageError
from fingerprinter.evaluation.versions import VersionsPlan, evaluate_versions
from fingerprinter.library import Library
from fingerprinter.server.app import create_app
from fingerprinter.server.settings import ServerSettings
from fingerprinter.store.tables.lists import TrackFilter
from fingerprinter.types import Problem, Version

pytestmark = pytest.mark.slow

FILES = {
    "studio": perform(1, 0, 1.0, 6),
    "live": perform(1, 3, 1.2, 2),
    "copy": 0.8 * perform(1, 0, 1.0, 6)[SR // 3 :],
    "other": perform(2, 0, 1.0, 6),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("versions")
    for name, samples in FILES.items():
        path = folder / f"{name}.flac"
        soundfile.write(path, samples, SR)
        file = mutagen.File(path)
        file.update({"title": name, "artist": "Orchestra" if name == "live" else "Band"})
        file.save()
    with open_library(folder / "library.db") as library:
        library.index([folder], jobs=1, embeddings=False)
        library.analyze_all(jobs=1)
    return folder


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    with open_library(folder / "library.db", read_only=True) as library:
        yield library


def titles(found: list[Version]) -> list[str | None]:
    return [version.track.title for version in found]


def test_another_performance_is_found_with_its_key_tempo_and_place(
    library: Library, folder: Path
) -> None:
    [version] = library.versions(folder / "studio.flac")
    assert version.track.title == "live"
    assert version.semitones == 3
    assert version.tempo == pytest.approx(1.2, rel=0.05)
    assert version.query_start_s < 4
    assert version.query_end_s == pytest.approx(len(FILES["studio"]) / SR, abs=4)
    assert version.end_s == pytest.approx(len(FILES["live"]) / SR, abs=4)


def test_the_same_recording_is_listed_only_when_it_is_wanted(
    library: Library, folder: Path
) -> None:
    found = library.versions(folder / "studio.flac", copies=True)
    assert {each.track.title: each.same_recording for each in found} == {
        "copy": True,
        "live": False,
    }


def test_a_clip_of_a_recording_is_no_version_of_it(library: Library) -> None:
    excerpt = FILES["studio"][2 * SR : 40 * SR], SR
    assert titles(library.versions(excerpt)) == ["live"]


def test_a_piece_without_a_version_gets_no_answer(library: Library, folder: Path) -> None:
    assert library.versions(folder / "other.flac") == []


def test_filters_and_the_length_of_the_list(library: Library, folder: Path) -> None:
    live = folder / "live.flac"
    assert set(titles(library.versions(live))) == {"studio", "copy"}
    assert len(library.versions(live, 1)) == 1
    assert len(library.versions(live, 10**20)) == 2
    assert library.versions(live, only=TrackFilter(artist="Orchestra")) == []


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    settings = ServerSettings(f"sqlite:///{folder / 'library.db'}", warm_up=False, clip_s=60)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


def found_by(answer: Response) -> dict[str, bool]:
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    return {each["track"]["title"]: each["same_recording"] for each in results}


def test_http_answers_the_same(client: TestClient, library: Library, folder: Path) -> None:
    studio = library.track(folder / "studio.flac").id
    answer = client.get(f"/api/tracks/{studio}/versions", params={"copies": True})
    assert found_by(answer) == {"copy": True, "live": False}
    assert answer.json()["query"]["title"] == "studio"


def test_a_clip_is_sent_over_http(client: TestClient, folder: Path) -> None:
    sound = (folder / "studio.flac").read_bytes()
    answer = client.post("/api/versions?name=mine", content=sound)
    assert found_by(answer) == {"live": False}
    assert answer.json()["query"] == "mine"
    form = {"file": ("theirs.flac", sound)}
    answer = client.post("/api/versions", files=form, params={"copies": True})
    assert found_by(answer) == {"live": False, "studio": True, "copy": True}
    assert answer.json()["query"] == "theirs.flac"
    assert found_by(client.post("/api/versions?artist=Band", content=sound)) == {}


def test_a_clip_that_cannot_be_compared_is_told(client: TestClient, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", FILES["studio"][: 5 * SR], SR)
    short = client.post("/api/versions", content=(tmp_path / "short.wav").read_bytes())
    assert short.status_code == 400
    assert "versions need 15 s" in short.json()["error"]["message"]
    for content in (b"", b"no audio"):
        assert client.post("/api/versions", content=content).json()["error"]["code"] == "audio"


COVER = perform(2, 2, 1.1, 3), SR  # of the piece "other"


def test_identify_names_the_piece_of_a_recording_that_it_does_not_know(library: Library) -> None:
    assert library.recognize(COVER).versions is None  # nobody asked
    found = library.recognize(COVER, versions=True)
    assert found.matches == []
    assert found.versions is not None
    [version] = found.versions
    assert version.track.title == "other"
    assert (version.semitones, version.same_recording) == (-2, False)


def test_identify_names_no_piece_of_what_it_knows_or_cannot_compare(
    library: Library, folder: Path
) -> None:
    known = library.recognize(folder / "studio.flac", versions=True)
    assert [match.track.title for match in known.matches] == ["studio"]
    assert known.versions is None
    foreign = perform(9, 0, 1.0, 4)
    assert library.recognize((foreign, SR), versions=True).versions == []
    assert library.recognize((foreign[: 9 * SR], SR), versions=True).versions is None
    with pytest.raises(UsageError, match="versions belong to one piece"):
        library.recognize(COVER, versions=True, all_matches=True)


def test_a_match_that_is_refused_is_no_version(library: Library, folder: Path) -> None:
    found = library.recognize(folder / "studio.flac", versions=True, min_confidence=1.0)
    if not found.matches:  # the confidence is rounded
        assert found.versions is not None
        assert titles(found.versions) == ["live"]


def test_a_file_object_is_read_as_often_as_needed(library: Library, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "cover.flac", *COVER)
    with (tmp_path / "cover.flac").open("rb") as file:
        assert titles(library.recognize(file, versions=True).versions or []) == ["other"]
    with (tmp_path / "cover.flac").open("rb") as file:
        assert titles(library.versions(file)) == ["other"]


def test_identify_over_http_and_on_the_command_line_name_the_piece(
    client: TestClient, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cover.flac"
    soundfile.write(path, *COVER)
    sound = path.read_bytes()
    answer = client.post("/api/identify?versions=true", content=sound).json()
    assert [each["track"]["title"] for each in answer["versions"]] == ["other"]
    assert client.post("/api/identify", content=sound).json()["versions"] is None
    identify = "identify", str(path), "--versions"
    record = json.loads(run(folder, *identify, "--json").stdout)
    assert [each["track"]["title"] for each in record["versions"]] == ["other"]
    table = run(folder, *identify).stdout.splitlines()
    assert "no match" in table[1]
    assert table[2].split()[:2] == ["version", "other"]
    soundfile.write(tmp_path / "short.flac", COVER[0][: 9 * SR], SR)
    short = run(folder, "identify", str(tmp_path / "short.flac"), "--versions", "--json")
    assert json.loads(short.stdout)["versions"] is None
    assert "too short for versions" in short.stderr


def run(folder: Path, *arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["--db", str(folder / "library.db"), *arguments])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def cut(folder: Path, tmp_path: Path) -> Path:
    """A file of "studio" whose last third is missing."""
    samples = FILES["studio"]
    soundfile.write(tmp_path / "cut.wav", samples, SR)
    content = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: 2 * len(content) // 3])
    return tmp_path / "cut.wav"


def test_a_clip_that_is_read_in_part_is_told(
    library: Library, client: TestClient, folder: Path, cut: Path
) -> None:
    problems = list[Problem]()
    assert titles(library.versions(cut, on_problem=problems.append)) == ["live"]
    [problem] = problems
    assert problem.path == str(cut)
    assert re.fullmatch(r"decoded [\d.]+ of [\d.]+ s \(the rest is missing\)", problem.message)
    message = f"{cut}: read only in part: {problem.message}\n"
    command = run(folder, "versions", str(cut), "--json", status=1)
    assert (len(json.loads(command.stdout)["results"]), command.stderr) == (1, message)
    answer = client.post("/api/versions", content=cut.read_bytes())
    assert found_by(answer) == {"live": False}
    assert answer.json()["problem"] == problem.message
    whole = client.post("/api/versions", content=(folder / "studio.flac").read_bytes())
    assert whole.json()["problem"] is None


def test_the_command_writes_a_playlist(folder: Path, tmp_path: Path) -> None:
    playlist = tmp_path / "versions.m3u8"
    table = run(folder, "versions", str(folder / "live.flac"), "--m3u", str(playlist)).stdout
    assert "studio" in table
    paths = [line for line in playlist.read_text().splitlines() if line[0] != "#"]
    assert {Path(path).name for path in paths} == {"studio.flac", "copy.flac"}
    assert (
        "none of the 4 analysed tracks"
        in run(folder, "versions", str(folder / "other.flac")).stderr
    )


def test_what_cannot_be_asked_is_told(library: Library, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="versions need 15 s"):
        library.versions((FILES["studio"][: 5 * SR], SR))
    with pytest.raises(UnknownTrackError):
        library.versions(99)
    with open_library(tmp_path / "empty.db") as empty, pytest.raises(UsageError, match="analyze"):
        empty.versions((FILES["studio"], SR))


def test_the_evaluation_counts_versions_and_wrong_answers(library: Library, folder: Path) -> None:
    groups = [[folder / "studio.flac", folder / "live.flac"], [folder / "unknown.flac"]]
    report = evaluate_versions(library, VersionsPlan(groups, others=1, seed=1))
    assert report.first.total == 2
    assert (report.found.count, report.found.total) == (2, 2)
    assert report.answered.total == 1
    assert report.to_json()["average_precision"]["queries"] == 2
    with pytest.raises(UsageError, match="no two files of a piece"):
        evaluate_versions(library, VersionsPlan(groups[1:]))
