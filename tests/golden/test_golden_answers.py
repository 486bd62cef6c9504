"""Answers of whole libraries, which `python tests/golden/golden_answers.py --write FILE` wrote.

The small suite is asked here on SQLite and PostgreSQL: the ten tracks of the box, 37 clips and 27
other questions, most of them by similarity. The full one is asked with ``--stress``.

Other processors and other versions of NumPy, FFmpeg and onnxruntime may differ in the last bits. So
floats may differ here by 1e-6, relative or absolute, while names, order and counts are exact; what
magnifies last bits is left out: digests of samples and of what is stored, and the places on the
map. The script compares bit for bit with ``--check``, on the machine where the file was written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import golden_answers
import pytest

ROOT = Path(__file__).resolve().parents[2]

EXPECTED = golden_answers.read_file(ROOT / "tests" / "golden" / "answers.json.gz")
TOLERANCE = 2e-5  # similarities of whole tracks differ by 8e-6 between two processors
SHOWN = 20  # differences that a failed test tells
MAX_BYTES = 300_000


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Music that the small library does not hold."""
    return golden_answers.small_outside(tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the music of both suites."""
    folder = tmp_path_factory.mktemp("music")
    golden_answers.suites(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the vector index lie in a folder of the test, and asks no text-audio model."""
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FINGERPRINTER_TEXT_MODEL", raising=False)


def portable(answers: Any) -> Any:
    """What must be the same on every processor."""
    tracks = answers["stored"]["tracks"]
    sounds = {
        kind: {name: {**answer, "samples": None} for name, answer in answers[kind].items()}
        for kind in ("clips", "mixes")
    }
    questions = {name: each for name, each in answers["questions"].items() if name != "map"}
    return {"tracks": tracks, "questions": questions, **sounds}


def assert_as_expected(suite: Any, url: str, dialect: str) -> None:
    found = golden_answers.ask_suite(suite, url)
    expected = EXPECTED[suite.name]
    lines = golden_answers.differences(portable(expected), portable(found), TOLERANCE)
    told = "\n".join(lines[:SHOWN])
    assert not lines, f"{dialect}: {len(lines)} values differ\n{told}"


def test_the_small_suite_is_answered_as_before(
    outside: list[Path], library_url: str, dialect: str
) -> None:
    assert_as_expected(golden_answers.box_suite(outside), library_url, dialect)


@pytest.mark.stress
def test_the_full_suite_is_answered_as_before(music: Path, library_url: str, dialect: str) -> None:
    (full,) = (suite for suite in golden_answers.suites(music) if suite.name == "full")
    assert_as_expected(full, library_url, dialect)


def test_the_file_is_small() -> None:
    assert (ROOT / "tests" / "golden" / "answers.json.gz").stat().st_size < MAX_BYTES


def test_a_difference_is_told_with_its_place() -> None:
    before = {"clips": [{"score": 1.0, "track": "a"}]}
    after = {"clips": [{"score": 1.0 + 2**-52, "track": "b"}, {}]}
    lines = golden_answers.differences(before, after)
    assert lines == [
        "/clips/length: 1 -> 2",
        "/clips/0/score: 1.0 -> 1.0000000000000002",
        "/clips/0/track: 'a' -> 'b'",
    ]
    assert len(golden_answers.differences(before, after, TOLERANCE)) == 2


def test_answers_are_written_with_all_digits(tmp_path: Path) -> None:
    file, answers = tmp_path / "answers.json.gz", {"score": 0.1 + 0.2, "least": 5e-324}
    golden_answers.write_file(file, answers)
    first = file.read_bytes()
    golden_answers.write_file(file, answers)
    assert golden_answers.read_file(file) == answers
    assert file.read_bytes() == first
