"""A batch of damaged files: each costs one line at most, and the whole files in it are indexed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mutations import FORMATS, TRACKS, mutant, transcoded

from fingerprinter.audio import content_id

# Numbers of damaged files: each format twice in an ordinary run, and 2,000 files with --stress.
BATCHES = [
    range(60),
    *(
        pytest.param(range(n, min(n + 100, 2000)), marks=pytest.mark.stress)
        for n in range(60, 2000, 100)
    ),
]
ASKED = 5  # of how many damaged files one is identified
DEADLINE_S = 300  # ends a test that hangs, also on a busy computer


@dataclass(frozen=True)
class Program:
    """The program as a process of its own, with a library in a folder."""

    folder: Path

    def __call__(self, *arguments: object) -> tuple[list[Any], list[str]]:
        """Run it; return the records of its standard output, and the lines of standard error."""
        command = [sys.executable, "-m", "fingerprinter", "--db", str(self.folder / "library.db")]
        done = subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
            env={**os.environ, "FINGERPRINTER_CACHE": str(self.folder / "cache")},
        )
        assert done.returncode in (0, 1), done.stderr
        out, err = done.stdout.decode(), done.stderr.decode()
        return [json.loads(line) for line in out.splitlines()], err.splitlines()


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: str(batch[0]))
def test_damaged_files_cost_a_line_each(batch: range, tmp_path: Path) -> None:
    music, program = tmp_path / "music", Program(tmp_path)
    music.mkdir()
    for track in TRACKS:
        (music / f"{track}.whole.wav").write_bytes(transcoded(track, FORMATS[0]))
    damaged = []
    for number in batch:
        name, data = mutant(number)
        (music / name).write_bytes(data)
        damaged.append(str(music / name))

    (report,), lines = program("index", "--no-embeddings", "--jobs", "2", "--json", music)
    assert report["indexed"] + report["updated"] + report["failed"] == len(TRACKS) + len(batch)
    named = [line.partition(": ")[0] for line in lines]
    assert set(named) <= set(damaged), lines
    assert len(set(named)) == len(named)

    answers, lines = program("identify", "--json", *damaged[::ASKED])
    assert len(answers) + len(lines) >= len(damaged[::ASKED])
    for answer in answers:
        track = Path(answer["clip"]).name.split(".")[0]
        found = {Path(match["track"]["path"]).name.split(".")[0] for match in answer["matches"]}
        assert found <= {track}


def test_a_file_in_whose_middle_libsndfile_gives_up_has_a_content_id() -> None:
    _, data = mutant(1716)
    assert len(content_id(data)) == len(content_id(transcoded(TRACKS[0], FORMATS[0])))
