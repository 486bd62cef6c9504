"""Damaged, missing, unusual and oddly named input files."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any
from unicodedata import category

import av
import mutagen.flac
import numpy as np
import pytest
import soundfile
from program import Program
from synthetic import SR, play
from typer.testing import CliRunner

from fingerprinter.audio import read_samples, write_wav
from fingerprinter.cli import app

UNREADABLE = {
    "empty.mp3": "empty, not a single byte",
    "text.mp3": "not audio",
    "video.mp4": "no audio stream",
}
ODD_NAMES = [
    "line\nbreak",
    "tab\tand \x1b[31mred",
    "[bold]tags[red]",
    "-dash",
    "🎵 ő",
    "caf\udce9",
]


@pytest.fixture(scope="module")
def piece(inside: list[dict[str, Any]], clips: Any) -> Any:
    """Ten seconds of a track that is in the library, (n,) at `SR`."""
    return read_samples(clips.clean(inside[7], 10.0), SR)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, piece: Any) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("This is a letter, not a song.\n" * 50)
    write_silent_film(folder / "video.mp4")
    write_wav(folder / "cut.wav", piece, SR)
    os.truncate(folder / "cut.wav", 200_000)
    write_wav(folder / "silence.wav", np.zeros(5 * SR), SR)
    write_wav(folder / "blink.wav", piece[: SR // 2], SR)
    return folder


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, piece: Any) -> Path:
    """Unusual rates, channels and tags, and music all the same."""
    folder = tmp_path_factory.mktemp("odd")
    soundfile.write(folder / "8 kHz.wav", piece[::2], 8_000)
    soundfile.write(folder / "192 kHz.wav", np.repeat(piece, 12), 192_000)
    soundfile.write(folder / "8 channels.flac", np.tile(piece[:, None], (1, 8)), SR)
    soundfile.write(folder / "broken tag.flac", piece, SR)
    spoil_tag(folder / "broken tag.flac")
    return folder


def write_silent_film(path: Path) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for shade in range(5):
            picture = np.full((32, 32, 3), 50 * shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


def spoil_tag(path: Path) -> None:
    """Makes a comment claim to be longer than the whole tag."""
    tags = mutagen.flac.FLAC(path)
    tags["title"] = "broken"
    tags.save()
    data = path.read_bytes()
    at = data.index(b"title=broken") - 4
    path.write_bytes(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :])


def obey_permissions() -> None:
    """Take the right to read every file from the process, in case root runs the tests."""
    drop_from_bounding_set, dac_override, dac_read_search = 24, 1, 2  # prctl(2), capabilities(7)
    for capability in (dac_override, dac_read_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


def test_bad_files_are_named_and_the_others_indexed(program: Program, bad: Path) -> None:
    run = program("index", "--json", "--no-embeddings", bad, "missing.flac", status=1)
    assert list(run.record) == [
        "indexed",
        "updated",
        "skipped",
        "failed",
        "removed",
        "replaced",
        "copies",
        "audio_s",
        "elapsed_s",
        "left_out",
    ]
    assert (run.record["indexed"], run.record["failed"]) == (3, 4)
    assert len(run.complaints) == 5
    for name, reason in UNREADABLE.items():
        assert any(f"{bad / name}: {reason}" in line for line in run.complaints)
    assert f"{program.folder / 'missing.flac'}: no such file or folder" in run.complaints
    assert any("cut.wav: indexed in part: decoded 6." in line for line in run.complaints)
    cut = program("show", "--json", bad / "cut.wav").record
    assert cut["problem"].startswith("decoded 6.")


def test_bad_clips_are_named_and_the_others_answered(sqlite_demo: Program, bad: Path) -> None:
    names = ["silence.wav", *UNREADABLE, "cut.wav", "blink.wav"]
    paths = [bad / name for name in names]
    run = sqlite_demo("identify", "--json", "missing.flac", *paths, status=1)
    silent, cut, blink = run.records
    assert (silent["clip"], silent["matches"]) == (str(paths[0]), [])
    assert cut["matches"][0]["track"]["title"] == "Ezer Év"
    assert blink["duration_s"] == 0.5
    missing, *unreadable, in_part = run.complaints
    assert missing == "missing.flac: no such file"
    for line, (name, reason) in zip(unreadable, UNREADABLE.items(), strict=True):
        assert line.startswith(f"{bad / name}: {reason}")
    assert in_part.startswith(f"{bad / 'cut.wav'}: read only in part: decoded 6.")


def test_a_file_that_may_not_be_read_is_named(program: Program, bad: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.wav"
    locked.write_bytes((bad / "blink.wav").read_bytes())
    locked.chmod(0)
    run = program.process("index", locked, status=1, preexec_fn=obey_permissions)
    assert run.complaints == [f"{locked}: no permission to read it"]


def test_unusual_audio_is_music_all_the_same(
    program: Program, sqlite_demo: Program, odd: Path
) -> None:
    paths = sorted(odd.iterdir())
    assert program("index", "--json", odd).record["indexed"] == len(paths)
    found = sqlite_demo("identify", "--json", *paths).records
    assert [record["matches"][0]["track"]["title"] for record in found] == ["Ezer Év"] * len(paths)


def is_safe(text: str) -> bool:
    """Whether a text has no control, format or line-separating character but line breaks."""
    return not {"Cc", "Cf", "Zl", "Zp", "Cs"} & {category(c) for c in text if c != "\n"}


def test_no_command_prints_unsafe_characters_of_names_and_tags(
    tmp_path: Path, piece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File names and tags with escape sequences and changes of direction, in every command."""
    evil = "\x1b[31m\u202e\u2028\x9b\u200f"
    folder = tmp_path / f"folder {evil}"
    folder.mkdir()
    song, broken = folder / f"{evil}.flac", folder / f"{evil}.mp3"
    soundfile.write(song, piece, SR)
    broken.write_text("This is a letter, not a song.")
    tags = mutagen.flac.FLAC(song)
    tags["title"] = tags["artist"] = tags["album"] = tags["genre"] = f"tag {evil}"
    tags.save()
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str | Path, status: int = 0) -> None:
        line = ["--db", str(folder / "music.db"), *map(str, arguments)]
        result = CliRunner().invoke(app, line)
        assert result.exit_code == status, result.output
        assert is_safe(result.output), ascii(result.output)

    run("index", "--no-embeddings", "--jobs", "1", folder, status=1)
    for command in ("list", "stats", "verify", "reindex", "duplicates", "search tag"):
        run(*command.split())
    run("show", "1")
    run("db", "current")
    run("db", "upgrade")
    run("identify", song)
    run("identify", broken, song, folder, status=1)
    run("analyze", song)
    run("separate", song, "-o", folder / "parts")
    run("plot", song, "-o", folder / "picture.png")
    run("search", "tag", "--m3u", folder / evil / "list.m3u8", status=2)
    run("export", folder / f"{evil}.fpx")
    run("import", folder / f"{evil}.fpx")
    run("import", folder / "none.fpx", status=2)
    run("plot", song, "-o", folder / "picture.png", "--from", evil, status=2)
    run("show", evil, status=3)
    run(evil, status=2)
    run(f"--{evil}", status=2)
    run("list", f"--{evil}", status=2)
    run("similar", "1", "-n", evil, status=2)
    run("identify", song, "--device", evil, status=2)
    run("remove", "1")


def test_odd_names_are_kept_and_shown_on_one_line(program: Program, tmp_path: Path) -> None:
    for seed, name in enumerate(ODD_NAMES):
        write_wav(tmp_path / f"{name}.wav", play(seed, 5.0), SR)
    program("index", "--no-embeddings", ".")
    paths = {record["path"] for record in program("list", "--json").records}
    assert paths == {str(tmp_path / f"{name}.wav") for name in ODD_NAMES}
    table = program("list").out
    assert len(table.splitlines()) == 1 + len(ODD_NAMES)
    assert r"line\nbreak.wav" in table
    assert r"caf\udce9.wav" in table
    assert "[bold]tags[red].wav" in table
    assert "\x1b" not in table
    clips = [tmp_path / f"{name}.wav" for name in ODD_NAMES]
    for path, record in zip(clips, program("identify", "--json", *clips).records, strict=True):
        assert record["clip"] == record["matches"][0]["track"]["path"] == str(path)
