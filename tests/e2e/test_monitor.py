"""The command `monitor`: stations on this computer, files, standard input, and what it writes."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from demo_music import MUSIC, Entry
from program import DEADLINE_S, Program
from radio import INTERVAL, SR, Answer, encoded, radio, with_titles
from synthetic import play
from waiting import until

from fingerprinter.audio import read_samples, write_wav


def test_stations_are_followed_until_ctrl_c(
    sqlite_demo: Program, inside: list[Entry], clips: Any, tmp_path: Path
) -> None:
    song = read_samples(clips.clean(inside[1], 25.0), SR)
    sound = encoded(np.concatenate([play(7, 5.0), song, play(7, 5.0), np.zeros(SR, np.float32)]))
    headers = {"Content-Type": "audio/mpeg", "icy-metaint": str(INTERVAL), "icy-name": "One"}
    segments = {"a.ts": song[: 12 * SR], "b.ts": song[12 * SR :]}
    report, saved = tmp_path / "played.csv", tmp_path / "unknown"
    with radio() as air:
        air.answers["/live"] = [Answer(with_titles(sound, ["A - B"]), headers), Answer(status=404)]
        lines = "".join(f"#EXTINF:12,\n{name}\n" for name in segments)
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:13\n{lines}#EXT-X-ENDLIST\n"
        air.answers["/two.m3u8"] = [Answer(playlist.encode())]
        for name, samples in segments.items():
            air.answers[f"/{name}"] = [Answer(encoded(samples, "aac", "mpegts"))]
        arguments = ["--csv", report, "--save-unknown", saved, "--webhook", f"{air.url}/hook"]
        sources = [f"{air.url}/live", f"Two={air.url}/two.m3u8"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with sqlite_demo.start("monitor", *sources, *arguments, **pipes) as running:
            until(lambda: len([each for each in air.requests if each[0] == "/live"]) > 1 or None)
            until(lambda: len(air.posted) >= 6 or None)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 130
    assert b"Traceback" not in err
    assert b"404" in err
    events = [json.loads(line) for line in out.splitlines()]
    told = {(each["type"], each["station"]) for each in events}
    assert told == {("began", "One"), ("ended", "One"), ("unknown", "One")} | {
        ("began", "Two"),
        ("ended", "Two"),
    }
    ended = [each for each in events if each["type"] == "ended"]
    assert {each["match"]["track"]["title"] for each in ended} == {inside[1]["title"]}
    assert {each["claimed"] for each in events if each["station"] == "One"} == {"A - B"}
    unknown = [each for each in events if each["type"] == "unknown"]
    assert [each["heard_before"] for each in unknown] == [0, 1]
    assert sorted(json.dumps(json.loads(each)) for each in air.posted) == sorted(
        json.dumps(each) for each in events
    )
    rows = list(csv.DictReader(report.open(encoding="utf-8")))
    assert sorted(row["station"] for row in rows) == ["One", "Two"]
    assert {row["title"] for row in rows} == {inside[1]["title"]}
    assert len(list(saved.glob("One-*.wav"))) == 1


def test_files_and_standard_input_end_by_themselves(
    sqlite_demo: Program, inside: list[Entry], clips: Any
) -> None:
    clip = clips.clean(inside[1], 20.0)
    sources = [f"Tape={clip}", "-", "nowhere.flac"]
    run = sqlite_demo("monitor", *sources, stdin=clip.read_bytes(), status=1)
    assert sorted((each["station"], each["type"]) for each in run.records) == [
        *(("<stdin>", "began"), ("<stdin>", "ended"), ("Tape", "began"), ("Tape", "ended")),
    ]
    assert run.complaints == ["nowhere.flac: no such file"]


def test_a_report_names_recordings_without_tags_by_their_file(tmp_path: Path) -> None:
    program = Program(str(tmp_path / "untagged.db"), tmp_path)
    write_wav(tmp_path / "untagged.wav", play(7, 15.0), SR)
    program("index", "--no-embeddings", tmp_path / "untagged.wav")
    program("monitor", tmp_path / "untagged.wav", "--csv", tmp_path / "played.csv")
    with (tmp_path / "played.csv").open(encoding="utf-8") as report:
        assert [row["title"] for row in csv.DictReader(report)] == ["untagged"]


def test_identify_answers_while_a_pipe_is_open(sqlite_demo: Program, inside: list[Entry]) -> None:
    data = encoded(read_samples(MUSIC / inside[2]["file"], SR))  # 34 s
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with sqlite_demo.start("identify", "--json", "-", **pipes) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(data)
        running.stdin.flush()
        (match,) = json.loads(running.stdout.readline())["matches"]  # the pipe is still open
        assert match["track"]["title"] == inside[2]["title"]
        assert running.wait(DEADLINE_S) == 0


def test_a_pipe_without_an_end_is_listed_as_it_plays_and_ctrl_c_keeps_it(
    sqlite_demo: Program, inside: list[Entry], clips: Any
) -> None:
    songs = [read_samples(clips.clean(entry, 20.0), SR) for entry in inside[1:3]]
    data = encoded(np.concatenate([*songs, np.zeros(50 * SR, np.float32)]))
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with sqlite_demo.start("identify", "--all", "--json", "-", **pipes) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(data)
        running.stdin.flush()
        told = [running.stderr.readline().decode() for _ in songs]  # the pipe is still open
        running.send_signal(signal.SIGINT)
        assert running.wait(DEADLINE_S) == 1
        assert "stopped after" in running.stderr.read().decode()
        (record,) = [json.loads(line) for line in running.stdout]
    titles = [entry["title"] for entry in inside[1:3]]
    assert [each["track"]["title"] for each in record["matches"]] == titles
    assert all(title in line for title, line in zip(titles, told, strict=True))
