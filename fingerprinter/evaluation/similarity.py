"""How well a library ranks similar tracks, compared with simpler methods.

The two halves of each track are embedded separately. Is the other half the nearest among the halves
of all tracks? For whole tracks: do the nearest neighbours share artist, album and genre, and does
every track appear in some list? All methods are compared on the same tracks in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprinter.core.arrays import Mask
from fingerprinter.embedding import EmbeddingModel, VectorIndex, load_model
from fingerprinter.embedding.model import MUSICNN_WEIGHTS
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.halves import (
    MFCC,
    SHORTEST_S,
    HalfEmbeddings,
    Rows,
    embed_halves,
)
from fingerprinter.evaluation.metrics import Mean, Rate
from fingerprinter.evaluation.music import PathLike, inside_music, track_groups
from fingerprinter.evaluation.neighbours import Matrix, Ranks, hubness, label_share, right_ranks
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.run import OnProgress, Progress
from fingerprinter.evaluation.similarity_report import SimilarityReport, SystemResult
from fingerprinter.library import Library
from fingerprinter.types import Track

HUB_K = 10
_MUSICNN, _DEFAULT = "musicnn", "default model"
_DEVIATION = 1e-6  # a dimension that varies less carries no information

Compare = Callable[[Rows, Rows], Matrix]


@dataclass(frozen=True, slots=True)
class SimilarityPlan:
    """What to evaluate.

    Attributes
    ----------
    tracks
        How many are drawn at most.
    seed
        The same seed draws the same tracks.
    k
        How many neighbours count for artist, album and genre.
    sources
        Files and folders to draw from; all tracks if empty.
    groups
        Files that hold the same recording.
    """

    tracks: int = 200
    seed: int = 0
    k: int = 5
    sources: Sequence[PathLike] = ()
    groups: Sequence[Sequence[PathLike]] = ()


@dataclass(frozen=True, slots=True)
class System:
    """A method of similarity.

    Attributes
    ----------
    name
        Name in the table.
    model
        The name under which `HalfEmbeddings` holds its vectors.
    compare
        (queries, tracks) -> similarities.
    """

    name: str
    model: str
    compare: Compare


def evaluate_similarity(
    library: Library, plan: SimilarityPlan, on_progress: OnProgress = lambda _: None
) -> SimilarityReport:
    """Draw tracks, embed their halves, and compare all methods of similarity.

    Ctrl-C ends the embedding early; the report then holds the tracks that were done and says so.

    Raises
    ------
    UsageError
        If fewer than two tracks can be embedded.
    """
    everything = list(library.tracks())
    drawn = _drawn(everything, plan)
    models = {_DEFAULT: load_model(), _MUSICNN: load_model(MUSICNN_WEIGHTS)}
    halves, interrupted = embed_halves(
        drawn, _distinct(models), lambda done: on_progress(Progress(done, len(drawn)))
    )
    if len(halves) < 2:
        raise UsageError(
            f"{len(halves)} tracks could be embedded; two are needed, index more music"
        )
    same = _same_recording(halves.tracks, track_groups(library, plan.groups))
    return SimilarityReport(
        seed=plan.seed,
        drawn=len(halves),
        k=plan.k,
        models={name: model.digest for name, model in models.items()},
        provenance=Provenance.of(library, everything),
        interrupted=interrupted,
        systems=tuple(
            _result(system, halves, same, plan.k) for system in _systems(models, plan.seed)
        ),
    )


def _drawn(tracks: Sequence[Track], plan: SimilarityPlan) -> list[Track]:
    by_id = {track.id: track for track in tracks}
    present = [by_id[each.track_id] for each in inside_music(tracks, plan.sources) if each.track_id]
    long_enough = [track for track in present if track.duration_s >= SHORTEST_S]
    order = np.random.default_rng(plan.seed).permutation(len(long_enough))
    return [long_enough[number] for number in order[: plan.tracks]]


def _distinct(models: Mapping[str, EmbeddingModel]) -> dict[str, EmbeddingModel]:
    """Every model once, by its digest."""
    return {model.digest: model for model in models.values()}


def _same_recording(tracks: Sequence[Track], groups: Sequence[frozenset[int]]) -> Mask:
    """Which pairs of tracks hold one recording, (n, n) bool; every track does with itself."""
    same = np.eye(len(tracks), dtype=bool)
    for group in groups:
        inside = np.array([track.id in group for track in tracks])
        same |= inside[:, np.newaxis] & inside
    return same


def _systems(models: Mapping[str, EmbeddingModel], seed: int) -> Iterator[System]:
    """The methods that are compared, the simplest first."""
    default, musicnn = models[_DEFAULT].digest, models[_MUSICNN].digest
    yield System("chance", default, _by_chance(np.random.default_rng(seed)))
    yield System(MFCC, MFCC, cosines)
    yield System("musicnn, cosine", musicnn, cosines)
    yield System("default, hubs left", default, _by_index(hubs=True))
    yield System("default", default, _by_index(hubs=False))


def _by_chance(rng: np.random.Generator) -> Compare:
    def compare(queries: Rows, tracks: Rows) -> Matrix:
        return rng.random((len(queries), len(tracks)), np.float32)

    return compare


def cosines(queries: Rows, tracks: Rows) -> Matrix:
    """Cosines of vectors, standardised by mean and deviation of the tracks, (queries, tracks)."""
    mean, deviation = tracks.mean(axis=0), np.maximum(tracks.std(axis=0), _DEVIATION)
    a, b = ((rows - mean) / deviation for rows in (queries, tracks))
    lengths = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b)]
    return (a / lengths[0]) @ (b / lengths[1]).T


def _by_index(*, hubs: bool) -> Compare:
    """The method of the library; with `hubs`, without its correction of hubs."""

    def compare(queries: Rows, tracks: Rows) -> Matrix:
        index = VectorIndex.build(np.arange(len(tracks)), tracks, hubs=hubs)
        similarities = np.empty((len(queries), len(tracks)), np.float32)
        for row, query in zip(similarities, queries, strict=True):
            ids, found = index.search(query, len(tracks))
            row[ids] = found
        return similarities

    return compare


def _result(system: System, halves: HalfEmbeddings, same: Mask, k: int) -> SystemResult:
    first, second = halves.first[system.model], halves.second[system.model]
    ranks = [right_ranks(system.compare(a, b), same) for a, b in ((first, second), (second, first))]
    whole = (first + second) / np.float32(2)
    alike = system.compare(whole, whole)
    return _judged(system.name, np.concatenate(ranks), alike, halves.tracks, same, k)


def _judged(
    name: str, ranks: Ranks, alike: Matrix, tracks: Sequence[Track], same: Mask, k: int
) -> SystemResult:
    """Compute the measures from ranks of the other halves and similarities of whole tracks."""
    artists = [_label(track.artist) for track in tracks]
    albums = [_album(track) for track in tracks]
    genres = [_label(track.genre) for track in tracks]
    one_artist, one_album = same | _equal(artists), same | _equal(albums)
    return SystemResult(
        name=name,
        other_half_first=Rate.of((ranks == 1).tolist()),
        reciprocal_rank=Mean.of(1 / ranks),
        artist=label_share(alike, artists, same, k),
        artist_elsewhere=label_share(alike, artists, one_album, k),
        album=label_share(alike, albums, same, k),
        genre=label_share(alike, genres, same, k),
        genre_of_others=label_share(alike, genres, one_artist | one_album, k),
        hubness=hubness(alike, same, HUB_K),
    )


def _label(text: str | None) -> str | None:
    return text.strip().casefold() or None if text else None


def _album(track: Track) -> str | None:
    """The album, else the folder: tracks of one folder sound similar for other reasons, too."""
    return _label(track.album) or (str(Path(track.path).parent) if track.path else None)


def _equal(labels: Sequence[str | None]) -> Mask:
    """Which pairs have the same label, (n, n) bool."""
    names = np.array([label or "" for label in labels], object)
    return (names[:, np.newaxis] == names) & (names != "")
