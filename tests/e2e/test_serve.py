"""The service as a process: identification, byte ranges, events, several workers, its end."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from demo_music import MUSIC, Clips, Entry
from program import COMMAND, DEADLINE_S, Program
from radio import Answer, radio
from served import Server, serving
from waiting import until


@pytest.fixture(scope="module")
def server(sqlite_demo: Program) -> Iterator[Server]:
    with serving(sqlite_demo, warm_up=True) as server:
        yield server


def test_the_client_prints_what_the_library_says(
    server: Server, sqlite_demo: Program, clips: Clips, inside: list[Entry]
) -> None:
    server.wait_until_ready()
    clip = clips.clean(inside[0])
    program = Program("", sqlite_demo.folder)
    asked = subprocess.run(
        [*COMMAND, "identify", "--json", "--server", server.url, clip, MUSIC / "manifest.json"],
        env=program.env,
        capture_output=True,
        check=False,
    )
    assert asked.returncode == 1  # the manifest is no audio
    answer, own = json.loads(asked.stdout), sqlite_demo("identify", "--json", clip).record
    assert answer["matches"][0]["track"] == own["matches"][0]["track"]
    assert answer["matches"][0]["offset_s"] == pytest.approx(own["matches"][0]["offset_s"], abs=0.1)


def test_a_missing_folder_and_a_port_in_use_are_told(server: Server, sqlite_demo: Program) -> None:
    port = server.url.rpartition(":")[2]
    run = sqlite_demo("serve", "--port", port, "--new-token", "--folder", "/gone", status=2)
    hint, line = run.complaints
    assert hint == "/gone: no such folder now; is its disk mounted?"
    assert f"cannot listen at 127.0.0.1, port {port}: address already in use" in line
    assert run.out == ""


def test_a_clip_is_identified_and_explained(
    server: Server, clips: Clips, inside: list[Entry], outside: Entry
) -> None:
    sound = clips.clean(inside[1]).read_bytes()
    match = json.loads(server.send("/api/identify", sound)[2])["matches"][0]
    assert match["track"]["title"] == inside[1]["title"]
    assert match["offset_s"] == pytest.approx(clips.start_s, abs=0.1)
    status, headers, picture = server.send("/api/identify/explain", sound)
    assert (status, headers["content-type"], picture[:4]) == (200, "image/png", b"\x89PNG")
    unknown = clips.clean(outside).read_bytes()
    assert json.loads(server.send("/api/identify", unknown)[2])["matches"] == []
    similar = json.loads(server.send("/api/similar?n=3", unknown)[2])
    assert (len(similar["results"]), similar["problem"]) == (3, None)
    cut = json.loads(server.send("/api/similar?n=3", unknown[: len(unknown) // 2])[2])
    assert (len(cut["results"]), "the rest is missing" in cut["problem"]) == (3, True)


def test_an_upload_that_its_sender_gives_up_is_no_bug(server: Server, sqlite_demo: Program) -> None:
    log = sqlite_demo.folder / "log"
    address = server.url.removeprefix("http://")
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/identify HTTP/1.1\r\nHost: {address}\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\nx".encode())
    until(lambda: "POST /api/identify 400" in log.read_text())
    assert "Traceback" not in log.read_text()


def test_audio_is_sent_by_byte_ranges(server: Server, inside: list[Entry]) -> None:
    track = server.get("/api/tracks?limit=1&order=id")["tracks"][0]
    whole = Path(track["path"]).read_bytes()
    url = f"/api/tracks/{track['id']}/audio"
    status, headers, body = server.send(url)
    assert (status, headers["accept-ranges"], body) == (200, "bytes", whole)
    for wanted, part in (
        ("bytes=0-0", whole[:1]),
        ("bytes=100-199", whole[100:200]),
        ("bytes=-50", whole[-50:]),
        (f"bytes={len(whole) - 10}-", whole[-10:]),
    ):
        status, headers, body = server.send(url, headers={"Range": wanted})
        assert (status, body) == (206, part)
        assert headers["content-range"].endswith(f"/{len(whole)}")
    for wrong in (f"bytes={len(whole)}-", "bytes=9-3", "bytes=x-y", "bytes=-"):
        assert server.send(url, headers={"Range": wrong})[0] in (400, 416)
    changed = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert server.send(url, headers=changed)[0] == 200


def test_two_workers_share_jobs_and_metrics(
    copied_demo: Program, tmp_path: Path, inside: list[Entry]
) -> None:
    music = tmp_path / "more"
    music.mkdir()
    for number in range(3):
        file = MUSIC / inside[number]["file"]
        shutil.copy(file, music / f"{number}{file.suffix}")
    with serving(copied_demo, "--workers", "2", "--log", "json") as server:
        job = server.post(
            "/api/jobs", {"kind": "index", "paths": [str(music)], "embeddings": False}
        )
        events = server.follow(job["id"])
        assert [number for number, _ in events] == sorted({number for number, _ in events})
        last = events[-1][1]
        assert (last["state"], last["report"]["updated"]) == ("done", 3)
        assert server.follow(job["id"], last_id=events[-1][0] - 1) == events[-1:]
        assert server.follow(job["id"], last_id=events[-1][0]) == []
        # Each request is a new connection, which either worker takes.
        assert {len(server.get("/api/jobs")["jobs"]) for _ in range(10)} == {1}
        counted = server.send("/metrics")[2].decode()
        line = 'fingerprinter_requests_total{method="GET",route="/api/jobs",status="200"} 10.0'
        assert line in counted
    log = (copied_demo.folder / "log").read_text().splitlines()
    assert any(json.loads(each)["path"] == "/api/jobs" for each in log if '"path"' in each)


def test_when_the_worker_that_listens_is_killed_another_one_listens(
    copied_demo: Program, inside: list[Entry]
) -> None:
    sound = (MUSIC / inside[0]["file"]).read_bytes()

    def heard(server: Server) -> int:
        try:
            (monitor,) = server.get("/api/monitors")["monitors"]
        except OSError:  # the worker that took the request was killed
            return 0
        return int(monitor["events"])

    def listens(process: psutil.Process) -> bool:
        return any(file.path.endswith("/stations/owner") for file in process.open_files())

    private = "private_streams = true"
    with radio() as air, serving(copied_demo, "--workers", "2", more=private) as server:
        air.answers["/live"] = [Answer(sound), Answer(status=404)]
        server.post("/api/monitors", {"source": f"{air.url}/live", "name": "One"})
        until(lambda: heard(server) == 2)
        workers = psutil.Process(server.process.pid).children(recursive=True)
        (owner,) = [each for each in workers if each.is_running() and listens(each)]
        owner.kill()
        air.answers["/live"] = [Answer(sound), Answer(status=404)]
        until(lambda: heard(server) == 4)
        events = server.get("/api/monitors/1/log")["events"]
        assert [each["type"] for each in events] == ["ended", "began"] * 2


def test_a_signal_ends_the_service_gracefully(copied_demo: Program, clips: Clips) -> None:
    with serving(copied_demo) as server:
        job = server.post("/api/jobs", {"kind": "analyze"})
        until(lambda: server.get(f"/api/jobs/{job['id']}")["progress"]["done"] > 0)
        stream = urllib.request.urlopen(f"{server.url}/api/jobs/{job['id']}/events", timeout=60)
        assert stream.readline().startswith(b"id: ")
        server.process.send_signal(signal.SIGTERM)
        assert stream.read().endswith(b"\n\n")  # it ends with a whole event
        assert server.process.wait(DEADLINE_S) in (0, -signal.SIGTERM)
    log = (copied_demo.folder / "log").read_text()
    assert "Traceback" not in log
    assert copied_demo("analyze", "--json", "1").record["loudness"]  # what was done is stored


def test_another_address_needs_the_token_that_is_printed_once(copied_demo: Program) -> None:
    options = ("--allow-host", "music.home", "--app-password", "--json")
    with serving(copied_demo, *options) as server:
        made = json.loads((copied_demo.folder / "log").read_text().splitlines()[0])
        token, login = made["token"], f"/rest/ping?u=me&p={made['app_password']}"
        assert b'status="ok"' in server.send(login)[2]
        assert server.send("/api/tracks")[0] == 401
        bearer = {"Authorization": f"Bearer {token}", "Host": "music.home"}
        assert server.send("/api/tracks", headers=bearer)[0] == 200
    with serving(copied_demo) as server:
        assert token not in (copied_demo.folder / "log").read_text()
        assert server.send("/api/tracks")[0] == 401
        assert server.send("/api/tracks", headers=bearer | {"Host": "localhost"})[0] == 200
    assert token.encode() not in Path(copied_demo.url).read_bytes()


def test_identify_loads_no_package_of_the_service(
    sqlite_demo: Program, clips: Clips, inside: list[Entry]
) -> None:
    program = (
        "import sys; from fingerprinter.cli.app import app; app(sys.argv[1:], standalone_mode=0)\n"
        "print({'fastapi', 'starlette', 'uvicorn', 'pydantic', 'anyio'} & set(sys.modules))"
    )
    arguments = ["--db", sqlite_demo.url, "identify", str(clips.clean(inside[0]))]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, check=True
    )
    assert done.stdout.splitlines()[-1] == b"set()"


@pytest.mark.slow
def test_the_service_keeps_to_its_own_description(server: Server, tmp_path: Path) -> None:
    checks = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "allow_header_conformance",
    )
    options = {
        "--checks": ",".join(checks),
        "--max-examples": "1",
        "--phases": "examples,fuzzing",
        "--seed": "1",
        "--exclude-path-regex": "events|analysis",  # these take long
    }
    words = [word for option in options.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", *words],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
