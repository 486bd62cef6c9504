"""How many changed copies of a library's own tracks the search for duplicates finds.

The copies are made in a temporary folder and added to a temporary copy of the library, one kind
after the other. The user's library is only read.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from fingerprinter.audio import read_samples
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.evaluation.copies import KINDS, SHORTEST_S, SR, Copy, CopyKind, make_copies
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.music import PathLike, inside_music
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import rate_json
from fingerprinter.evaluation.run import OnProgress, Progress, Run
from fingerprinter.library import Library, open_library
from fingerprinter.types import DuplicateGroup, Evidence, Problem, Track

OFFSET_TOLERANCE_S = 0.05
_LONGEST_S = 600.0  # of a track that is copied: longer ones take much memory
_POINTS = (0.1, 0.5, 0.9)  # of a shared passage, where it is checked


@dataclass(frozen=True, slots=True)
class DuplicatesPlan:
    """What to evaluate.

    Attributes
    ----------
    tracks
        How many tracks are copied, at most.
    seed
        The same seed draws the same tracks and changes.
    kinds
        Kinds of copies.
    sources
        Files and folders to draw from; all tracks if empty.
    """

    tracks: int = 16
    seed: int = 0
    kinds: Sequence[CopyKind] = KINDS
    sources: Sequence[PathLike] = ()


@dataclass(frozen=True, slots=True)
class KindResult:
    """What was found of one kind of copies.

    Attributes
    ----------
    found
        Copies joined with their original; a mix counts once for each original.
    same, part
        How many of these joins are "the same recording", and how many "a part of it".
    placed
        Points of the shared passages that lie within 50 ms of the true place.
    wrong
        Copies joined with a track that they were not made of.
    elapsed_s
        Seconds of the search through the whole library.
    """

    kind: str
    found: Rate
    same: int
    part: int
    placed: Rate
    wrong: Rate
    elapsed_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rates = {name: rate_json(getattr(self, name)) for name in ("found", "placed", "wrong")}
        counts = {"same": self.same, "part": self.part, "elapsed_s": round(self.elapsed_s, 3)}
        return {"kind": self.kind, **rates, **counts}


@dataclass(frozen=True, slots=True)
class DuplicatesReport:
    """The result of an evaluation.

    Attributes
    ----------
    run
        Seed, provenance, and whether it was ended early.
    copied
        How many tracks were copied.
    kinds
        One result for each kind of copies.
    problems
        Tracks that were drawn and could not be read. Others were drawn in their place.
    """

    run: Run
    copied: int
    kinds: tuple[KindResult, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""
        return self.run.interrupted

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        kinds = [each.to_json() for each in self.kinds]
        unreadable = [problem.message for problem in self.problems]
        found = {"copied": self.copied, "unreadable": unreadable, "kinds": kinds}
        return {**self.run.to_json(), **found}


def evaluate_duplicates(
    library: Library, plan: DuplicatesPlan, on_progress: OnProgress = lambda _: None
) -> DuplicatesReport:
    """Make copies of some tracks, kind after kind, and search for them.

    A track that cannot be read is named in the report. Ctrl-C ends the run early; the report then
    holds the kinds that were done.

    Raises
    ------
    UsageError
        If no readable track of 90 s to 10 minutes is there to be copied.
    """
    tracks = list(library.tracks())
    results: list[KindResult] = []
    interrupted = False
    with (
        tempfile.TemporaryDirectory(prefix="fingerprinter-") as name,
        _temporary_copy(library, Path(name)) as private,
    ):
        drawn, problems = _draw_tracks(list(private.tracks()), plan)
        known = set(_joined_pairs(private.duplicates().groups))
        folder = Path(name) / "copies"
        try:
            for number, kind in enumerate(plan.kinds, 1):
                results.append(_evaluate_kind(private, kind, drawn, folder, plan.seed, known))
                shutil.rmtree(folder)
                on_progress(Progress(number, len(plan.kinds)))
        except KeyboardInterrupt:
            interrupted = True
    run = Run(plan.seed, Provenance.of(library, tracks), interrupted)
    return DuplicatesReport(run, len(drawn), tuple(results), tuple(problems))


@contextmanager
def _temporary_copy(library: Library, folder: Path) -> Iterator[Library]:
    """An SQLite library that holds the same tracks."""
    library.export_to(folder / "library.fpx")
    profile = library.stats().profile
    with open_library(folder / "library.db", profile=profile) as private:
        private.import_from(folder / "library.fpx")
        (folder / "library.fpx").unlink()
        yield private


def _draw_tracks(
    tracks: Sequence[Track], plan: DuplicatesPlan
) -> tuple[list[Track], list[Problem]]:
    """Draw tracks until there are enough that can be read, so that all kinds copy the same."""
    by_id = {track.id: track for track in tracks}
    present = [by_id[each.track_id] for each in inside_music(tracks, plan.sources) if each.track_id]
    fitting = [track for track in present if SHORTEST_S <= track.duration_s <= _LONGEST_S]
    if not fitting:
        raise UsageError(
            f"no track of {SHORTEST_S:.0f} s to {_LONGEST_S / 60:.0f} minutes to copy;"
            " index longer music, or choose other files with --from"
        )
    drawn: list[Track] = []
    problems: list[Problem] = []
    for number in np.random.default_rng(plan.seed).permutation(len(fitting)):
        track = fitting[number]
        try:
            read_samples(str(track.path), SR)
        except AudioError as error:
            problems.append(Problem(str(track.path), str(error)))
            continue
        drawn.append(track)
        if len(drawn) == plan.tracks:
            break
    if not drawn:
        raise UsageError(f"none of {len(problems)} tracks can be read; {problems[0].message}")
    return drawn, problems


def _evaluate_kind(
    library: Library,
    kind: CopyKind,
    drawn: Sequence[Track],
    folder: Path,
    seed: int,
    known: Collection[tuple[int, int]],
) -> KindResult:
    """Add the copies of one kind, search, judge, and remove the copies again."""
    made = list(make_copies(kind, drawn, folder, seed))
    library.index([folder], embeddings=False)
    copies = {library.track(copy.path).id: copy for copy in made}
    started = time.perf_counter()
    groups = library.duplicates().groups
    elapsed_s = time.perf_counter() - started
    library.remove(list(copies))
    return judge_groups(kind.name, groups, copies, known, elapsed_s)


def judge_groups(
    kind: str,
    groups: Sequence[DuplicateGroup],
    copies: Mapping[int, Copy],
    known: Collection[tuple[int, int]] = (),
    elapsed_s: float = 0.0,
) -> KindResult:
    """Compare groups of duplicates with what the copies were made of.

    Parameters
    ----------
    kind
        Name of the kind.
    groups
        What the search found.
    copies
        The copies by their track id.
    known
        Pairs of tracks that were joined before there were copies: joins with a duplicate of the
        original are not wrong.
    elapsed_s
        Time of the search.
    """
    joined: dict[tuple[int, int], str] = {}
    wrong: set[int] = set()
    points: list[bool] = []
    for group in groups:
        for a, b in combinations(sorted(track.id for track in group.tracks), 2):
            for copy_id, other_id in ((a, b), (b, a)):
                if copy_id not in copies:
                    continue
                originals = copies[copy_id].originals
                if other_id in originals:
                    joined[copy_id, other_id] = group.kind
                elif not _is_related(other_id, originals, copies, known):
                    wrong.add(copy_id)
        for row in group.evidence:
            points += _check_points(row, copies)
    kinds = list(joined.values())
    wanted = sum(len(copy.originals) for copy in copies.values())
    return KindResult(
        kind=kind,
        found=Rate(len(joined), wanted),
        same=kinds.count("same"),
        part=kinds.count("part"),
        placed=Rate.of(points),
        wrong=Rate(len(wrong), len(copies)),
        elapsed_s=elapsed_s,
    )


def _is_related(
    track_id: int,
    originals: Sequence[int],
    copies: Mapping[int, Copy],
    known: Collection[tuple[int, int]],
) -> bool:
    """Whether a track is another copy of one of the originals, or was joined with it before."""
    its_originals = copies[track_id].originals if track_id in copies else [track_id]
    return any(a == b or (min(a, b), max(a, b)) in known for a in its_originals for b in originals)


def _check_points(row: Evidence, copies: Mapping[int, Copy]) -> Iterator[bool]:
    """Whether points of a shared passage are the same second of the same original."""
    if (row.a in copies) == (row.b in copies):
        return
    for share in _POINTS:
        a_s = row.start_s + share * row.overlap_s
        b_s = (a_s - row.offset_s) / row.speed
        one, two = (
            copies[track_id].source(at_s) if track_id in copies else (track_id, at_s)
            for track_id, at_s in ((row.a, a_s), (row.b, b_s))
        )
        if one and two and one[0] == two[0]:
            yield abs(one[1] - two[1]) <= OFFSET_TOLERANCE_S


def _joined_pairs(groups: Sequence[DuplicateGroup]) -> Iterator[tuple[int, int]]:
    for group in groups:
        yield from combinations(sorted(track.id for track in group.tracks), 2)
