"""Other fingerprinting programs, which identify the clips that `evaluate identify` draws.

The programs are the user's own. Each fills a database in a temporary folder. Its times are those of
one process for all clips, divided by their number: they include loading and decoding, which ours do
not. Peers name the best recording only and report no tempo or pitch. audfprint rounds places to
0.1 s, so some of its right places count as wrong.

Checked against audfprint of 2019-09-23 and Olaf of 2026-05-20, built by Zig.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fingerprinter.audio import write_wav
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.clips import Clip
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.evaluation.identify import IdentifyPlan, draw_clips
from fingerprinter.evaluation.judge import Judge
from fingerprinter.evaluation.music import Music, inside_music, outside_music
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import IdentifyReport, Trial
from fingerprinter.library import Library
from fingerprinter.types import Match, Track

# audfprint match: Matched q.wav 5.0 sec 99 raw hashes as r.mp3 at   50.1 s with    8 of    9 ...
_AUDFPRINT = re.compile(
    r"Matched (?P<clip>.+) [\d.]+ sec \d+ raw hashes as (?P<reference>.+)"
    r" at +(?P<at>-?[\d.]+) s with +(?P<hashes>\d+) of +\d+ common hashes"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a peer to a clip.

    Attributes
    ----------
    reference
        Name of the file that it matched, without folder and suffix.
    offset_s
        Where the start of the clip lies in it.
    score
        Number of hashes that agree.
    """

    reference: str
    offset_s: float
    score: float


def parse_audfprint(output: str) -> dict[str, Answer]:
    """The best answers in the output of `audfprint match`, by the names of the clips."""
    answers: dict[str, Answer] = {}
    for found in filter(None, map(_AUDFPRINT.match, output.splitlines())):
        answer = Answer(Path(found["reference"]).stem, float(found["at"]), float(found["hashes"]))
        answers.setdefault(Path(found["clip"]).stem, answer)
    return answers


def parse_olaf(output: str) -> dict[str, Answer]:
    """The answers with the most hashes in the output of `olaf query`, by the names of the clips.

    A line holds: index, number of queries, clip, (offset of the query,) hashes, start and stop in
    the clip, path, id, start and stop in the reference. The offset came with a later version.
    """
    answers: dict[str, Answer] = {}
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) not in (10, 11) or not fields[0].isdecimal():
            continue
        hashes, start, _, path, _, reference_start, _ = fields[-7:]
        clip, score = Path(fields[2]).stem, float(hashes)
        if score > (answers[clip].score if clip in answers else 0.0):
            answers[clip] = Answer(Path(path).stem, float(reference_start) - float(start), score)
    return answers


class Peer(Protocol):
    """Another fingerprinting program with a database of its own."""

    def store(self, references: Sequence[Path]) -> None:
        """Fill the database."""

    def query(self, clips: Sequence[Path]) -> dict[str, Answer]:
        """The best answer to each clip, by the name of its file."""


class Audfprint:
    """audfprint, https://github.com/dpwe/audfprint; a script for a Python with its packages."""

    def __init__(self, script: Path, python: str, folder: Path) -> None:
        self._command, self._folder = [python, str(script)], folder

    def store(self, references: Sequence[Path]) -> None:
        """Fill the database."""
        self._run("new", references)

    def query(self, clips: Sequence[Path]) -> dict[str, Answer]:
        """The best answer to each clip, by the name of its file."""
        return parse_audfprint(self._run("match", clips))

    def _run(self, action: str, files: Sequence[Path]) -> str:
        names = _write_list(self._folder, files)
        database = str(self._folder / "audfprint.pklz")
        options = ["--dbase", database, "--list", "--continue-on-error"]
        return _run([*self._command, action, *options, str(names)])


class Olaf:
    """Olaf, https://github.com/JorenSix/Olaf; it reads its settings in the home folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._home = program, folder

    def store(self, references: Sequence[Path]) -> None:
        """Fill the database."""
        settings = self._home / ".olaf" / "olaf_config.json"
        settings.parent.mkdir(exist_ok=True)
        facts = {
            "db_folder": f"{settings.parent}/db/",
            "cache_folder": f"{settings.parent}/cache/",
            # Olaf takes other names for no audio, and ends; FFmpeg decodes all of them.
            "allowed_audio_file_extensions": sorted(
                {file.suffix for file in references} | {".wav"}
            ),
        }
        settings.write_text(json.dumps(facts), encoding="utf-8")
        self._run("store", references)

    def query(self, clips: Sequence[Path]) -> dict[str, Answer]:
        """The best answer to each clip, by the name of its file."""
        return parse_olaf(self._run("query", clips))

    def _run(self, action: str, files: Sequence[Path]) -> str:
        names = _write_list(self._home, files)
        return _run([self._program, action, str(names)], HOME=str(self._home))


def _write_list(folder: Path, files: Sequence[Path]) -> Path:
    """A text file that names the files, one a line: a command line has no room for thousands."""
    names = folder / "files.txt"
    names.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
    return names


def _run(command: Sequence[str], **environment: str) -> str:
    """What a program prints."""
    try:
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        reason = f"{error.strerror}; name the program with its folder"
        raise UsageError(f"{command[0]}: {reason}") from None
    if done.returncode:
        last = (done.stderr.strip() or "it printed no reason").splitlines()[-1]
        message = f"ended with status {done.returncode}: {last}; run it alone to see what it needs"
        raise UsageError(f"{command[0]}: {message}")
    return done.stdout


def draw_plan(library: Library, plan: IdentifyPlan) -> list[Clip]:
    """The clips that `evaluate_identify` draws by the same plan."""
    music = Music(inside_music(library.tracks(), plan.sources), outside_music(plan.outside))
    return list(draw_clips(plan, [each for each in plan.conditions if music.pool(each)], music))


def evaluate_peer(
    peer: Peer, plan: IdentifyPlan, library: Library, clips: Sequence[Clip], folder: Path
) -> IdentifyReport:
    """Store the library's files under their track ids, query all clips, and judge.

    Parameters
    ----------
    peer
        The program.
    plan
        The plan by which the clips were drawn.
    library
        The library that they were drawn from.
    clips
        Result of `draw_plan`.
    folder
        An empty folder for files of the peer.

    Raises
    ------
    UsageError
        If the program cannot be run, or fails.
    """
    tracks = {track.id: track for track in library.tracks()}
    peer.store(_link_references(list(tracks.values()), folder))
    files = []
    for number, clip in enumerate(clips):
        files.append(folder / f"clip{number:06}.wav")
        write_wav(files[-1], clip.samples, SR)
    started = time.perf_counter()
    answers = peer.query(files)
    elapsed_s = (time.perf_counter() - started) / max(1, len(clips))
    trials = [
        _judge_answer(clip, answers.get(file.stem), tracks, elapsed_s)
        for clip, file in zip(clips, files, strict=True)
    ]
    provenance = Provenance.of(library, list(tracks.values()))
    return IdentifyReport(plan.seed, plan.clips, 0.0, provenance, False, tuple(trials))


def _link_references(tracks: Sequence[Track], folder: Path) -> list[Path]:
    """Link to the files of the tracks that are there, named by the tracks' ids."""
    links = []
    for track in tracks:
        if track.path and os.path.isfile(track.path):
            links.append(folder / f"{track.id}{Path(track.path).suffix}")
            links[-1].symlink_to(track.path)
    return links


def _judge_answer(
    clip: Clip, answer: Answer | None, tracks: Mapping[int, Track], elapsed_s: float
) -> Trial:
    """An answer, judged as `evaluate identify` judges its own."""
    matches = []
    if answer is not None:
        track, end_s = tracks[int(answer.reference)], len(clip.samples) / SR
        matches.append(Match(track, answer.score, 1.0, answer.offset_s, 0.0, end_s))
    judged = tuple(Judge().judge(clip, match) for match in matches)
    drawn = tuple((passage.recording.path, passage.start_s) for passage in clip.passages)
    return Trial(clip.condition, clip.number, drawn, judged, elapsed_s)
