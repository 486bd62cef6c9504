"""How well tempo, beats, key and sections of music are found.

The truth is either given as reference annotations of the library's tracks, or known because the
music is made: pieces rendered from seeds, and pieces of the library's tracks joined in a form. The
measures and tolerances are those of mir_eval [1]_: beats within 70 ms, boundaries of sections
within 0.5 and 3 s, the weighted score of keys. A tempo is right within 4 %, as in MIREX.

.. [1] C. Raffel et al., "mir_eval: A transparent implementation of common MIR metrics", ISMIR 2014.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import open_audio, read_samples
from fingerprinter.embedding.beats import SR
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.evaluation.annotations import Annotation, read_annotations
from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.metrics import Mean
from fingerprinter.evaluation.music import PathLike, inside_music
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.rendered_music import STYLES, render_piece
from fingerprinter.evaluation.run import OnProgress, Progress, Run
from fingerprinter.evaluation.similarity_report import mean_json
from fingerprinter.library import Library
from fingerprinter.library.music.analyze import analyze_music
from fingerprinter.types import MusicAnalysis, Section, Track

TEMPO_TOLERANCE = 0.04
BOUNDARY_TOLERANCES_S = (0.5, 3.0)
ANNOTATED, JOINED = "annotated tracks", "joined pieces"
_FORMS = ("ABAB", "ABA", "ABCAB", "AB", "ABAC")
_PART_S = (10.0, 16.0)  # of a joined piece
_LEVEL = 0.1  # RMS of each part, of full scale

Samples = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """What to evaluate.

    Attributes
    ----------
    pieces
        Pieces rendered in each style, joined pieces, or annotated tracks at most.
    seed
        The same seed makes the same pieces.
    annotations
        A CSV file or a folder, see `fingerprinter.evaluation.annotations`; without it, music with
        a known truth is made.
    sources
        Files and folders to draw from; all tracks if empty.
    """

    pieces: int = 10
    seed: int = 0
    annotations: Path | None = None
    sources: Sequence[PathLike] = ()


@dataclass(frozen=True, slots=True)
class PieceScores:
    """How well one piece was analysed, 0..1 each; ``None`` where nothing is known.

    Attributes
    ----------
    tempo
        Whether the tempo is within 4 %.
    tempo_or_octave
        The same, but half, a third, twice and three times the tempo are right, too.
    beats
        F-measure of the beats at 70 ms, without the first five seconds.
    key
        Whether it is the key.
    key_weighted
        A fifth counts 0.5, the relative key 0.3, the parallel one 0.2.
    boundaries_half_s, boundaries_3s
        F-measure of the boundaries between sections.
    section_pairs
        F-measure of pairs of moments that have the same label.
    """

    tempo: float | None = None
    tempo_or_octave: float | None = None
    beats: float | None = None
    key: float | None = None
    key_weighted: float | None = None
    boundaries_half_s: float | None = None
    boundaries_3s: float | None = None
    section_pairs: float | None = None


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """One row: the scores of some pieces of one kind."""

    name: str
    pieces: tuple[PieceScores, ...]

    def mean(self, measure: str) -> Mean:
        """The mean of a measure (a field of `PieceScores`) over the pieces where it is known."""
        values = [getattr(piece, measure) for piece in self.pieces]
        return Mean.of(np.array([value for value in values if value is not None], np.float64))

    def to_json(self) -> dict[str, Any]:
        """Plain values; measures that are known of no piece are left out."""
        means = {each.name: self.mean(each.name) for each in fields(PieceScores)}
        known = {name: mean_json(mean) for name, mean in means.items() if mean.total}
        return {"music": self.name, "pieces": len(self.pieces), **known}


@dataclass(frozen=True, slots=True)
class AnalysisReport:
    """The result of an evaluation: a row for each kind of music."""

    run: Run
    rows: tuple[AnalysisResult, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""
        return self.run.interrupted

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.run.to_json(), "rows": [row.to_json() for row in self.rows]}


def evaluate_analysis(
    library: Library, plan: AnalysisPlan, on_progress: OnProgress = lambda _: None
) -> AnalysisReport:
    """Analyse music with a known truth and score the result.

    Ctrl-C ends the run early; the report then holds the pieces that were done.

    Raises
    ------
    UsageError
        If mir_eval is not installed, or no annotation fits a track of the library.
    """
    _require_mir_eval()
    tracks = list(library.tracks())
    recordings = inside_music(tracks, plan.sources)
    if plan.annotations is None:
        pieces = _made_pieces(plan, recordings)
        total = plan.pieces * (len(STYLES) + 1)
    else:
        annotated = _match_annotations(tracks, recordings, plan)
        pieces = _annotated_pieces(annotated)
        total = len(annotated)
    scores: dict[str, list[PieceScores]] = {}
    interrupted = False
    try:
        for done, (name, samples, annotation) in enumerate(pieces, 1):
            analysis = analyze_music((samples, SR)).analysis
            duration_s = len(samples) / SR
            scores.setdefault(name, []).append(score_piece(analysis, annotation, duration_s))
            on_progress(Progress(done, total))
    except KeyboardInterrupt:
        interrupted = True
    rows = tuple(AnalysisResult(name, tuple(found)) for name, found in scores.items())
    return AnalysisReport(Run(plan.seed, Provenance.of(library, tracks), interrupted), rows)


def _require_mir_eval() -> None:
    try:
        import mir_eval  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "mir_eval is not installed, and the evaluation of the analysis needs it;"
            ' `pip install "fingerprinter[evaluate]"`'
        ) from error


def _match_annotations(
    tracks: Sequence[Track], recordings: Sequence[Recording], plan: AnalysisPlan
) -> list[tuple[str, Annotation]]:
    """Paths of the tracks that are annotated, drawn by the seed."""
    assert plan.annotations is not None
    annotations = read_annotations(plan.annotations)
    found = [
        (each.path, annotations[Path(each.path).stem])
        for each in recordings
        if Path(each.path).stem in annotations
    ]
    if not found:
        raise UsageError(
            f"{plan.annotations}: none of {len(annotations)} annotations is of a track of the"
            f" {len(tracks)} in the library; they are matched by the name of the file"
        )
    order = np.random.default_rng(plan.seed).permutation(len(found))[: plan.pieces]
    return [found[number] for number in order]


def _annotated_pieces(
    annotated: Sequence[tuple[str, Annotation]],
) -> Iterator[tuple[str, Samples, Annotation]]:
    for path, annotation in annotated:
        try:
            yield ANNOTATED, read_samples(path, SR), annotation
        except AudioError:
            continue


def _made_pieces(
    plan: AnalysisPlan, recordings: Sequence[Recording]
) -> Iterator[tuple[str, Samples, Annotation]]:
    """One piece of each kind in turn: a run that is cut short has some of each."""
    rng = np.random.default_rng(plan.seed)
    for number in range(plan.pieces):
        for style in STYLES:
            seed = plan.seed * 1_000_003 + 100 * STYLES.index(style) + number
            piece = render_piece(style, seed, SR)
            truth = Annotation(tempo_bpm=piece.bpm, beats_s=piece.beats_s, key=piece.key)
            yield style, piece.samples, truth
        joined = join_parts(_FORMS[number % len(_FORMS)], recordings, rng)
        if joined is not None:
            yield JOINED, *joined


def join_parts(
    form: str, recordings: Sequence[Recording], rng: np.random.Generator
) -> tuple[Samples, Annotation] | None:
    """Parts of three recordings at one level, joined in a form such as ``ABAB``.

    Parts with the same letter are different parts of one recording. Gives ``None`` where there are
    not enough recordings of 16 s or more.
    """
    fitting = [each for each in recordings if (each.duration_s or 0.0) >= _PART_S[1] + 1]
    letters = sorted(set(form))
    if len(fitting) < len(letters):
        return None
    chosen = dict(zip(letters, rng.permutation(len(fitting)).tolist(), strict=False))
    parts: list[Samples] = []
    sections: list[Section] = []
    at_s = 0.0
    for letter in form:
        recording = fitting[chosen[letter]]
        length_s = float(rng.uniform(*_PART_S))
        start_s = float(rng.uniform(0, (recording.duration_s or 0.0) - length_s))
        try:
            with open_audio(recording.path, SR, start_s=start_s) as audio:
                part = next(audio.blocks(length_s))
        except AudioError:
            return None
        parts.append(part * _LEVEL / max(float(np.sqrt(np.mean(np.square(part)))), 1e-4))
        sections.append(Section(at_s, at_s + len(part) / SR, letter))
        at_s += len(part) / SR
    return np.concatenate(parts), Annotation(sections=sections)


def score_piece(analysis: MusicAnalysis, annotation: Annotation, duration_s: float) -> PieceScores:
    """Compare an analysis with what is true of a piece; measure what is annotated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # mir_eval's, of pieces without beats
        scores: dict[str, float | None] = {}
        if annotation.tempo_bpm is not None:
            ratio = (analysis.tempo_bpm or 0.0) / annotation.tempo_bpm
            scores["tempo"] = float(_is_near(ratio, 1))
            factors = (1 / 3, 1 / 2, 1, 2, 3)
            scores["tempo_or_octave"] = float(any(_is_near(ratio, each) for each in factors))
        if annotation.beats_s is not None:
            scores["beats"] = _beat_score(annotation.beats_s, analysis.beats_s)
        if annotation.key is not None:
            found = analysis.key.name if analysis.key else None
            scores["key"] = float(found == annotation.key)
            scores["key_weighted"] = _key_score(annotation.key, found)
        if annotation.sections:
            scores |= _section_scores(annotation.sections, analysis.sections, duration_s)
    return PieceScores(**scores)


def _is_near(ratio: float, factor: float) -> bool:
    return abs(ratio / factor - 1) <= TEMPO_TOLERANCE


def _beat_score(reference_s: npt.NDArray[np.float64], found_s: Sequence[float]) -> float:
    from mir_eval import beat

    pair = beat.trim_beats(reference_s), beat.trim_beats(np.array(found_s, np.float64))
    return float(beat.f_measure(*pair))


def _key_score(reference: str, found: str | None) -> float:
    from mir_eval import key

    return float(key.weighted_score(reference, found)) if found else 0.0


def _section_scores(
    reference: Sequence[Section], found: Sequence[Section], duration_s: float
) -> dict[str, float | None]:
    """F-measures of boundaries and labels, both lists stretched over the whole piece."""
    from mir_eval import segment, util

    adjusted = []
    for sections in (reference, found or [Section(0.0, duration_s, "A")]):
        intervals = np.array([(each.start_s, each.end_s) for each in sections])
        labels = [each.label for each in sections]
        adjusted += util.adjust_intervals(intervals, labels, t_min=0.0, t_max=duration_s)
    a, a_labels, b, b_labels = adjusted
    half_s, three_s = (
        float(segment.detection(a, b, window=window)[2]) for window in BOUNDARY_TOLERANCES_S
    )
    return {
        "boundaries_half_s": half_s,
        "boundaries_3s": three_s,
        "section_pairs": float(segment.pairwise(a, a_labels, b, b_labels)[2]),
    }
