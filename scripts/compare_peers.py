"""Compares fingerprinter with audfprint and Olaf on the same degraded clips.

    python scripts/compare_peers.py LIBRARY --audfprint DIR/audfprint.py --olaf olaf [--clips 20]

Draws the clips that `fingerprinter evaluate identify` draws with the same options, and prints its
table for each program. Peers that are not named are left out; they are not installed by this
script. Each peer fills a database of its own in a temporary folder. Its times are those of one
process for all clips, divided by their number: loading and decoding are included, which they are
not for fingerprinter. Peers name the best recording only and report no tempo or pitch. audfprint
rounds places to 0.1 s, so that some of its right places count as wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprinter.audio import write_wav
from fingerprinter.cli.commands.evaluate_identify import print_conditions
from fingerprinter.evaluation import (
    CONDITIONS,
    QUICK,
    IdentifyPlan,
    IdentifyReport,
    evaluate_identify,
    select,
)
from fingerprinter.evaluation.clips import Clip
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.evaluation.identify import draw_clips
from fingerprinter.evaluation.judge import Judge
from fingerprinter.evaluation.music import Music, inside_music, outside_music
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import Trial
from fingerprinter.library import Library, open_library
from fingerprinter.types import Match, Track

# audfprint match: Matched q.wav 5.0 sec 99 raw hashes as r.mp3 at   50.1 s with    8 of    9 ...
_AUDFPRINT = re.compile(
    r"Matched (?P<clip>.+) [\d.]+ sec \d+ raw hashes as (?P<reference>.+)"
    r" at +(?P<at>-?[\d.]+) s with +(?P<hashes>\d+) of +\d+ common hashes"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer says of a clip.

    reference: name of the file that it matched, without folder and suffix
    offset_s: where the start of the clip lies in it
    score: number of hashes that agree
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


class Audfprint:
    """https://github.com/dpwe/audfprint"""

    def __init__(self, script: Path, python: str, folder: Path) -> None:
        self._command, self._folder = [python, str(script)], folder

    def store(self, references: Sequence[Path]) -> None:
        self._run("new", references)

    def query(self, clips: Sequence[Path]) -> dict[str, Answer]:
        return parse_audfprint(self._run("match", clips))

    def _run(self, action: str, files: Sequence[Path]) -> str:
        names = write_list(self._folder, files)
        database = str(self._folder / "audfprint.pklz")
        options = ["--dbase", database, "--list", "--continue-on-error"]
        return run([*self._command, action, *options, str(names)])


class Olaf:
    """https://github.com/JorenSix/Olaf; it takes its settings from the home folder"""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._home = program, folder

    def store(self, references: Sequence[Path]) -> None:
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
        return parse_olaf(self._run("query", clips))

    def _run(self, action: str, files: Sequence[Path]) -> str:
        names = write_list(self._home, files)
        return run([self._program, action, str(names)], HOME=str(self._home))


Peer = Audfprint | Olaf


def write_list(folder: Path, files: Sequence[Path]) -> Path:
    """A text file that names the files, one a line: a command line has no room for thousands."""
    names = folder / "files.txt"
    names.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
    return names


def run(command: Sequence[str], **environment: str) -> str:
    """What a program prints; ends the script where it fails."""
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command[0]}: ended with status {done.returncode}; {done.stderr.strip()[-500:]}")
    return done.stdout


def evaluate_peer(
    peer: Peer, plan: IdentifyPlan, library: Library, clips: Sequence[Clip], folder: Path
) -> IdentifyReport:
    """Stores the library's files under their track ids, asks for all clips, and judges."""
    tracks = {track.id: track for track in library.tracks()}
    peer.store(link_references(list(tracks.values()), folder))
    files = []
    for number, clip in enumerate(clips):
        files.append(folder / f"clip{number:06}.wav")
        write_wav(files[-1], clip.samples, SR)
    started = time.perf_counter()
    answers = peer.query(files)
    elapsed_s = (time.perf_counter() - started) / max(1, len(clips))
    trials = [
        judge_answer(clip, answers.get(file.stem), tracks, elapsed_s)
        for clip, file in zip(clips, files, strict=True)
    ]
    provenance = Provenance.of(library, list(tracks.values()))
    return IdentifyReport(plan.seed, plan.clips, 0.0, provenance, False, tuple(trials))


def link_references(tracks: Sequence[Track], folder: Path) -> list[Path]:
    """Links to the files of the tracks that are there, named by the tracks' ids."""
    links = []
    for track in tracks:
        if track.path and Path(track.path).is_file():
            links.append(folder / f"{track.id}{Path(track.path).suffix}")
            links[-1].symlink_to(track.path)
    return links


def judge_answer(
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", metavar="LIBRARY", help="address, as `--db` takes it")
    parser.add_argument("--audfprint", type=Path, metavar="audfprint.py")
    parser.add_argument("--python", default=sys.executable, help="of audfprint")
    parser.add_argument("--olaf", metavar="PROGRAM")
    parser.add_argument("--conditions", nargs="+", help="names or beginnings; default: sixteen")
    parser.add_argument("--clips", type=int, default=20, help="of each condition")
    parser.add_argument("--outside", nargs="+", type=Path, default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    conditions = select(options.conditions, CONDITIONS) if options.conditions else QUICK
    plan = IdentifyPlan(conditions, options.clips, options.seed, outside=options.outside)
    with open_library(options.library, create=False, read_only=True) as library:
        print("fingerprinter", flush=True)
        print_conditions(evaluate_identify(library, plan).conditions)
        music = Music(inside_music(library.tracks(), ()), outside_music(plan.outside))
        clips = list(draw_clips(plan, [each for each in conditions if music.pool(each)], music))
        for name in ("audfprint", "olaf"):
            if not getattr(options, name):
                continue
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                peer: Peer = Olaf(options.olaf, folder)
                if name == "audfprint":
                    peer = Audfprint(options.audfprint, options.python, folder)
                print(f"\n{name}", flush=True)
                print_conditions(evaluate_peer(peer, plan, library, clips, folder).conditions)


if __name__ == "__main__":
    main()
