"""Embeddings of the two halves of tracks, by several models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import open_audio
from fingerprinter.embedding import EmbeddingModel, facets
from fingerprinter.errors import AudioError
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.types import Track

Rows = npt.NDArray[np.float32]

MFCC = "MFCC statistics"
SHORTEST_S = 20.0  # of a shorter track a half is hardly music
_SPAN_S = 120.0  # in the middle of each half is embedded: enough windows, and bounded time


@dataclass(frozen=True, slots=True)
class HalfEmbeddings:
    """Tracks, and the vectors of their halves.

    Attributes
    ----------
    tracks
        n tracks.
    first, second
        (n, d) float32 vectors of the first and second halves, by the name of the model.
    """

    tracks: tuple[Track, ...]
    first: Mapping[str, Rows]
    second: Mapping[str, Rows]

    def __len__(self) -> int:
        return len(self.tracks)


def spans(duration_s: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and length, in seconds, of what is embedded of the two halves of a track.

    >>> spans(60), spans(400)
    (((0.0, 30.0), (30.0, 30.0)), ((40.0, 120.0), (240.0, 120.0)))
    """
    half = duration_s / 2
    length = min(half, _SPAN_S)
    start = (half - length) / 2
    return (start, length), (half + start, length)


def embed_halves(
    tracks: Sequence[Track],
    models: Mapping[str, EmbeddingModel],
    on_done: Callable[[int], None],
) -> tuple[HalfEmbeddings, bool]:
    """Embed the halves of all tracks that can be read.

    Parameters
    ----------
    tracks
        Each with a file.
    models
        By name.
    on_done
        Called with the number of tracks that are done.

    Returns
    -------
    tuple[HalfEmbeddings, bool]
        The vectors, and whether Ctrl-C ended it early.
    """
    done: list[tuple[Track, list[dict[str, Rows]]]] = []
    interrupted = False
    try:
        for number, pair in enumerate(_pairs(tracks, models), 1):
            done += [pair] if pair else []
            on_done(number)
    except KeyboardInterrupt:
        interrupted = True
    first, second = (_stacked([pair[side] for _, pair in done]) for side in (0, 1))
    return HalfEmbeddings(tuple(track for track, _ in done), first, second), interrupted


def _pairs(
    tracks: Sequence[Track], models: Mapping[str, EmbeddingModel]
) -> Iterator[tuple[Track, list[dict[str, Rows]]] | None]:
    for track in tracks:
        try:
            yield (
                track,
                [_embed(str(track.path), *span, models) for span in spans(track.duration_s)],
            )
        except AudioError:
            yield None


def _embed(
    path: str, start_s: float, length_s: float, models: Mapping[str, EmbeddingModel]
) -> dict[str, Rows]:
    """The vector of each model for a part of a file, and its MFCC statistics."""
    samplers = {name: model.sampler() for name, model in models.items()}
    left = round(length_s * SR)
    with open_audio(path, SR, start_s=start_s) as audio:
        for block in audio.blocks():
            for sampler in samplers.values():
                sampler.push(block[:left])
            left -= len(block)
            if left <= 0:
                break
    rows = {name: models[name].embed(each.windows()).vector for name, each in samplers.items()}
    return rows | {MFCC: facets(next(iter(samplers.values())).windows()).timbre}


def _stacked(rows: Sequence[dict[str, Rows]]) -> dict[str, Rows]:
    names = rows[0] if rows else ()
    return {name: np.stack([row[name] for row in rows]) for name in names}
