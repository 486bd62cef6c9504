"""Stations: events of generated programmes with a fake clock, reconnection, and the HTTP API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from radio import INTERVAL, SR, Answer, encoded, radio, with_titles
from synthetic import Floats, play
from waiting import until

from fingerprinter.audio import write_wav
from fingerprinter.audio.streams.sources import SoundBlock
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import AudioError, ConnectionLostError
from fingerprinter.library import open_library
from fingerprinter.library.listening.events import StationEvent
from fingerprinter.library.listening.listener import Listener, TimedBlock
from fingerprinter.library.listening.station import StationMonitor
from fingerprinter.library.listening.unknown import UnknownPolicy, UnknownSounds
from fingerprinter.library.listening.window_search import WindowSearcher
from fingerprinter.server.app import create_app
from fingerprinter.server.settings import ServerSettings

START = 1_800_000_000.0  # seconds since 1970
PIECES = {1: 30.0, 2: 25.0}  # seeds of the library's recordings, and their lengths
JINGLE, TALK = 7, 8  # seeds of sound that the library does not have
NEAR_S = 1.5


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("listening")
    for seed, length_s in PIECES.items():
        write_wav(folder / f"{seed}.wav", play(seed, length_s), SR)
    with open_library(str(folder / "library.db")) as library:
        library.index(sorted(folder.glob("*.wav")), embeddings=False, jobs=1)
    return str(folder / "library.db")


def programme(*seeds: int) -> Floats:
    lengths = PIECES | {JINGLE: 5.0, TALK: 8.0}
    return np.concatenate([play(seed, lengths[seed]) for seed in seeds])


def blocks(samples: Floats, claimed: str | None = None) -> Iterator[TimedBlock]:
    """Yield the sound second by second, as it comes in by the fake clock."""
    for end in range(SR, len(samples) + SR, SR):
        part = samples[end - SR : end]
        yield TimedBlock(part, START + (end - SR + len(part)) / SR, claimed)


@dataclass
class FakeSource:
    """A source that gives sound on each connection, or fails."""

    connections: list[Floats | AudioError]
    clock: list[float]
    shown: str = "fake"
    is_live: bool = True
    reconnects: bool = True
    station: str | None = "Fake FM"
    stop: threading.Event = field(default_factory=threading.Event)

    def blocks(self, sr: int, stop: threading.Event) -> Iterator[SoundBlock]:
        if not self.connections:
            self.stop.set()
            return
        sound = self.connections.pop(0)
        if isinstance(sound, AudioError):
            self.clock[0] += 5.0
            raise sound
        for start in range(0, len(sound), SR):
            part = sound[start : start + SR]
            self.clock[0] += len(part) / SR
            yield SoundBlock(part, "Claimed")


def listener(library: Any, **options: Any) -> Listener:
    search = WindowSearcher(library.snapshot, threading.Event(), print)
    return Listener(search, "Test", DEFAULT, **options)


def seconds(event: StationEvent) -> tuple[float, float | None]:
    end = event.ended_at and event.ended_at.timestamp() - START
    return event.started_at.timestamp() - START, end


def test_a_programme_becomes_events_by_the_clock(url: str) -> None:
    saved: list[tuple[StationEvent, Floats]] = []
    with open_library(url, read_only=True) as library:
        ear = listener(library, on_unknown=lambda *each: saved.append(each), still_s=10.0)
        events = list(ear.listen(blocks(programme(JINGLE, 1, JINGLE, 2, TALK, JINGLE), "DJ X")))
    ended = [each for each in events if each.type == "ended"]
    assert [each.match and Path(each.match.track.path or "").stem for each in ended] == ["1", "2"]
    assert seconds(ended[0]) == pytest.approx((5.0, 35.0), abs=NEAR_S)
    assert seconds(ended[1]) == pytest.approx((40.0, 65.0), abs=NEAR_S)
    assert ended[0].match is not None
    assert ended[0].match.offset_s == pytest.approx(0.0, abs=NEAR_S)
    kinds = [each.type for each in events]
    assert kinds.count("began") == 2
    assert "still" in kinds
    assert {each.claimed for each in events} == {"DJ X"}
    unknown = [each for each in events if each.type == "unknown"]
    assert [each.heard_before for each in unknown] == [0, 1, 0, 2]
    assert seconds(unknown[-1]) == pytest.approx((73.0, 78.0), abs=NEAR_S)
    assert [event for event, _ in saved] == unknown
    assert len(saved[0][1]) / SR == pytest.approx(5.0, abs=NEAR_S)
    assert ear.heard_s == pytest.approx(78.0)


def test_silence_is_no_unknown_sound(url: str) -> None:
    with open_library(url, read_only=True) as library:
        assert list(listener(library).listen(blocks(np.zeros(40 * SR, np.float32)))) == []


def test_a_broken_station_is_connected_again_and_the_gap_is_told(url: str) -> None:
    clock, waits, problems = [START], list[float](), list[str]()
    source = FakeSource([programme(1), AudioError("no answer"), programme(2)], clock)
    source.stop.wait = lambda seconds=None: waits.append(seconds) or False  # type: ignore[method-assign,assignment,func-returns-value]
    with open_library(url, read_only=True) as library:
        station = StationMonitor(
            source,
            listener(library),
            None,
            source.stop,
            on_problem=problems.append,
            clock=lambda: clock[0],
        )
        station.run()
    oldest_first = station.log(100)[::-1]
    assert [each.type for each in oldest_first] == ["began", "ended", "gap", "began", "ended"]
    assert seconds(oldest_first[2]) == pytest.approx((30.0, 35.0), abs=0.1)
    assert {each.station for each in oldest_first} == {"Fake FM"}
    assert "no answer" in problems
    assert waits[0] < waits[1]  # back-off
    assert (station.state().state, station.state().claimed) == ("ended", "Claimed")
    assert (station.state().events, station.state().now) == (5, None)


def test_a_file_that_cannot_be_read_fails_at_once(url: str) -> None:
    source = FakeSource([AudioError("no such file")], [START], reconnects=False)
    with open_library(url, read_only=True) as library:
        station = StationMonitor(source, listener(library), "x", source.stop)
        station.run()
    assert (station.state().state, station.state().problem) == ("failed", "no such file")


def test_a_fault_of_the_program_fails_the_station_and_is_raised(url: str) -> None:
    def told(_: StationEvent) -> None:
        raise ZeroDivisionError

    source = FakeSource([programme(1)], [START])
    with open_library(url, read_only=True) as library:
        station = StationMonitor(source, listener(library), "x", source.stop, told)
        with pytest.raises(ZeroDivisionError):
            station.run()
    assert (station.state().state, station.state().problem) == (
        "failed",
        "fake: a fault of the program (ZeroDivisionError())",
    )


def test_a_database_that_comes_back_is_asked_again() -> None:
    problems = list[str]()
    stop = threading.Event()

    def snapshot() -> Any:
        if len(problems) == 2:
            stop.set()
        raise ConnectionLostError("the server is gone")

    stop.wait = lambda _=None: False  # type: ignore[method-assign,assignment]
    assert WindowSearcher(snapshot, stop, problems.append).track(1) is None
    assert problems == ["the server is gone"] * 3


def test_unknown_sound_in_memory_is_bounded() -> None:
    from fingerprinter.core.fingerprint.peaks import find_peaks

    sounds = UnknownSounds(DEFAULT, UnknownPolicy(kept_s=20.0))
    peaks = {seed: find_peaks([play(seed, 8.0)], DEFAULT) for seed in range(20, 24)}
    length = 8.0 / DEFAULT.hop_s
    for seed in (20, 21, 20, 22, 23):
        sounds.meet(peaks[seed], length)
        assert sounds.kept_s <= 20.0
    assert [part.heard_before for part in sounds.meet(peaks[23], length)] == [1]
    assert [part.heard_before for part in sounds.meet(peaks[21], length)] == [0]


@pytest.mark.parametrize("start", [0.0, 0.13, 0.37])
def test_unknown_sound_that_begins_between_two_frames_is_known_again(start: float) -> None:
    from fingerprinter.core.fingerprint.peaks import find_peaks

    sounds, heard = UnknownSounds(DEFAULT), find_peaks([play(20, 20.0)], DEFAULT)
    length = 20.0 / DEFAULT.hop_s
    for before in range(2):
        peaks = replace(heard, frames=heard.frames - np.float32(start * (1 - 2 * before)))
        assert [part.heard_before for part in sounds.meet(peaks, length)] == [before]


def test_the_api_listens_to_a_station(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = with_titles(encoded(programme(1)), ["A - B"])
    headers = {"Content-Type": "audio/mpeg", "icy-metaint": str(INTERVAL), "icy-name": "One"}
    settings = ServerSettings(library=url, warm_up=False, private_streams=True)
    with (
        radio() as air,
        TestClient(create_app(settings), base_url="http://localhost") as client,
    ):
        air.answers["/live"] = [Answer(body, headers), Answer(status=404)]
        added = client.post("/api/monitors", json={"source": f"{air.url}/live", "name": None})
        assert added.status_code == 201
        number = added.json()["id"]
        log = f"/api/monitors/{number}/log"
        until(lambda: len(client.get(log, params={"limit": 1}).json()["events"]) or None)
        until(lambda: client.get(log).json()["events"][0]["type"] == "ended")
        newest, oldest = client.get(log).json()["events"]
        assert set(newest) == set(StationEvent.__slots__)
        assert (oldest["type"], newest["claimed"], newest["station"]) == ("began", "A - B", "One")
        assert newest["match"]["track"]["path"].endswith("1.wav")
        (monitor,) = client.get("/api/monitors").json()["monitors"]
        assert set(monitor) == {
            *("id", "name", "source", "state", "problem", "claimed", "now", "heard_s", "events")
        }
        assert (monitor["name"], monitor["events"], monitor["now"]) == ("One", 2, None)
        threading.Timer(1.5, lambda: client.delete(f"/api/monitors/{number}")).start()
        told = client.get(f"/api/monitors/{number}/events").text.splitlines()
        assert told[0] == "event: monitor"
        assert json.loads(told[1].removeprefix("data: "))["id"] == number
        assert client.get("/api/monitors").json() == {"monitors": []}
        assert client.get(log).status_code == 404


def test_several_processes_share_the_stations_and_one_listens(url: str, tmp_path: Path) -> None:
    body = encoded(programme(1))
    settings = ServerSettings(
        library=url, warm_up=False, private_streams=True, run_folder=str(tmp_path)
    )

    def served() -> TestClient:
        return TestClient(create_app(settings), base_url="http://localhost")

    def events(client: TestClient) -> list[str]:
        return [each["type"] for each in client.get("/api/monitors/1/log").json()["events"]]

    with radio() as air, ExitStack() as listening:
        air.answers["/live"] = [Answer(body), Answer(status=404)]
        first = listening.enter_context(served())
        first.post("/api/monitors", json={"source": f"{air.url}/live", "name": "One"})
        until(lambda: len(events(first)) == 2)
        with served() as second:
            assert events(second) == ["ended", "began"]
            assert second.get("/api/monitors").json()["monitors"][0]["name"] == "One"
            listening.close()  # the second process listens from here on
            air.answers["/live"] = [Answer(body), Answer(status=404)]
            until(lambda: len(events(second)) == 4)
            assert events(second) == ["ended", "began"] * 2
            monitor = second.delete("/api/monitors/1").json()
            assert (monitor["id"], monitor["events"]) == (1, 4)
            assert second.get("/api/monitors").json() == {"monitors": []}


@pytest.mark.parametrize("source", ["/etc/passwd", "mic", "-", "file:///etc/passwd", "ftp://a/b"])
def test_the_api_takes_addresses_of_the_web_only(url: str, source: str) -> None:
    with TestClient(
        create_app(ServerSettings(library=url, warm_up=False)), base_url="http://localhost"
    ) as client:
        answer = client.post("/api/monitors", json={"source": source})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "usage")


def test_the_api_refuses_private_addresses_unless_allowed(url: str) -> None:
    with (
        radio() as air,
        TestClient(
            create_app(ServerSettings(library=url, warm_up=False)), base_url="http://localhost"
        ) as client,
    ):
        number = client.post("/api/monitors", json={"source": f"{air.url}/live"}).json()["id"]
        until(lambda: client.get("/api/monitors").json()["monitors"][0]["problem"])
        assert (
            "`private_streams = true`"
            in client.get("/api/monitors").json()["monitors"][0]["problem"]
        )
        assert air.requests == []
        assert client.delete(f"/api/monitors/{number}").status_code == 200
