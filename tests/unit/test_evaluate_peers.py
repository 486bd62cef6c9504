"""The comparison with other programs: their output is parsed, and judged as our own answers are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fingerprinter.cli.app import app
from fingerprinter.core.fingerprint.warp import UNCHANGED
from fingerprinter.errors import UsageError
from fingerprinter.evaluation import IdentifyPlan, peers, select
from fingerprinter.evaluation.clips import Clip, Passage, Recording
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.library import open_library

ROOT = Path(__file__).resolve().parents[2]
SONG = ROOT / "tests" / "music" / "kenta_cho-stg3.ogg"

AUDFPRINT = """\
Sun Aug  9 18:13:54 2015 Reading hash table fpdbase.pklz
Matched /tmp/clip000000.wav 5.0 sec 1234 raw hashes as /tmp/12.mp3 at   50.1 s with   456 of   789 \
common hashes at rank  0
Matched /tmp/clip000000.wav 5.0 sec 1234 raw hashes as /tmp/13.mp3 at    1.0 s with     9 of    99 \
common hashes at rank  1
Matched /tmp/a sec as b.wav 9.9 sec 12 raw hashes as /tmp/7.flac at   -0.5 s with     6 of     8 \
common hashes at rank  0
NOMATCH /tmp/clip000002.wav 5.0 sec 10 raw hashes
Processed 3 files (15.8 s total dur) in 2.6 s sec = 0.165 x RT
"""
OLAF = """\
query_index, total_queries, query_path, query_offset, match_count, query_start, query_stop, path, \
match_identifier, reference_start, reference_stop
1 ,2 ,/tmp/clip000000.wav, 0.000, 33 ,1.010 ,4.580, /tmp/9.mp3, 4218917231, 3.010, 6.580
1 ,2 ,/tmp/clip000000.wav, 0.000, 252 ,1.500 ,4.580, /tmp/12.mp3, 4218917232, 43.500, 46.580
2, 2, /tmp/clip000001.wav, 6, 1.50, 4.58, /tmp/7.mp3, 4218917233, 0.50, 3.58
3 ,3 ,/tmp/clip000002.wav, 0, 0, 0.0, 0.0, , 0, 0.0, 0.0
Matched 113 fp's from 6.0s (19 fp/s) in 0.003s (1902 times realtime)
"""


def test_answers_of_audfprint() -> None:
    assert peers.parse_audfprint(AUDFPRINT) == {
        "clip000000": peers.Answer("12", 50.1, 456.0),
        "a sec as b": peers.Answer("7", -0.5, 6.0),
    }


def test_answers_of_olaf() -> None:
    assert peers.parse_olaf(OLAF) == {
        "clip000000": peers.Answer("12", 42.0, 252.0),
        "clip000001": peers.Answer("7", -1.0, 6.0),
    }


@pytest.mark.slow
def test_answers_are_judged_as_our_own(tmp_path: Path) -> None:
    (condition,) = select(["clean-2s"])
    samples = np.zeros(32_000, np.float32)
    stored: list[Path] = []

    class Program:
        def store(self, references: list[Path]) -> None:
            stored.extend(references)

        def query(self, clips: list[Path]) -> dict[str, Any]:
            assert all(clip.is_file() for clip in clips)
            return {clips[0].stem: peers.Answer(stored[0].stem, 3.02, 9.0)}

    with open_library(tmp_path / "library.db") as library:
        library.index([SONG], embeddings=False, jobs=1)
        (track,) = library.tracks()
        passage = Passage(Recording(str(SONG), track.id), 3.0, samples)
        clips = [Clip(condition, number, (passage,), UNCHANGED, samples) for number in range(2)]
        report = peers.evaluate_peer(Program(), IdentifyPlan([condition]), library, clips, tmp_path)
    (row,) = report.conditions
    assert stored[0].resolve() == SONG
    assert (row.hits, row.placed, row.false_answers) == (Rate(1, 2), Rate(1, 2), Rate(0, 2))


def test_a_peer_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="olaf: No such file or directory; name the program"):
        peers.Olaf(str(tmp_path / "olaf"), tmp_path).store([SONG])
    broken = tmp_path / "audfprint.py"
    broken.write_text("raise SystemExit('no module named docopt')", encoding="utf-8")
    with pytest.raises(UsageError, match="status 1: no module named docopt; run it alone"):
        peers.Audfprint(broken, sys.executable, tmp_path).store([SONG])
    run = CliRunner().invoke(app, ["evaluate", "peers"])
    assert run.exit_code == 2
