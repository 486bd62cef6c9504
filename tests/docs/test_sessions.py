"""The sessions that the pages print are run: the program answers what stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fingerprinter.audio import open_audio, write_wav
from fingerprinter.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "docs/tutorial/first-library.md",
    "docs/how-to/developer.md",
    "README.md",
]
CLIP = ("maxstack-through_space.opus", 13.6, 8.0)  # file, start and length in seconds
TIMES = re.compile(r"in [\d.]+ s \(\d+ x real time\)")  # these differ from run to run
NOT_HERE = ("--mic",)  # needs a microphone


def sessions(page: str) -> Iterator[tuple[list[str], str]]:
    """Arguments of each ``$ fingerprinter`` line, and the output that is printed below it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            words = shlex.split(line, comments=True)
            if words[0] == "fingerprinter" and not set(NOT_HERE) & set(words):
                yield words[1:], output


def same(expected: str, found: str) -> bool:
    """Whether the output is as printed; ``...`` stands for any text, trailing spaces are free."""
    tidy = [
        "\n".join(line.rstrip() for line in TIMES.sub("in TIME", text).splitlines())
        for text in (expected, found)
    ]
    pattern = ".*".join(re.escape(piece) for piece in tidy[0].split("..."))
    return re.fullmatch(pattern, tidy[1], re.DOTALL) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the music and the clips that the pages speak of."""
    folder = tmp_path_factory.mktemp("sessions")
    music = folder / "tests" / "music"
    shutil.copytree(ROOT / "tests" / "music", music)
    name, start_s, length_s = CLIP
    with open_audio(music / name, 44_100, start_s=start_s) as audio:
        write_wav(folder / "clip.wav", next(audio.blocks(length_s)), 44_100)
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import demo
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    track = {"path": str(music / name), "duration_s": 34.0}
    demo.make_noisy_clip(track, folder)
    demo.make_unknown_clip(folder)
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_sessions_answer_as_printed(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(folder / "cache"))
    library = folder / f"{Path(page).stem}.db"
    monkeypatch.setenv("FINGERPRINTER_DB", str(library))
    found = list(sessions(page))
    assert found
    if found[0][0][0] != "index":
        CliRunner().invoke(app, ["index", "tests/music"])
    for arguments, expected in found:
        answer = CliRunner().invoke(app, arguments)
        assert answer.exit_code == 0, answer.output
        if expected.strip():
            assert same(expected, answer.output), f"{arguments}\n{answer.output}"
