"""The two halves of tracks, as each of some models hears them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import open_audio
from fingerprinter.embedding import EmbeddingModel, WindowSampler, facets
from fingerprinter.errors import AudioError
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.types import Track

Rows = npt.NDArray[np.float32]

MFCC = "MFCC statistics"
LEAST_S = 20.0  # of a shorter track a half is hardly music
_SPAN_S = 120.0  # of each half is heard, in its middle: enough windows, and bounded


@dataclass(frozen=True, slots=True)
class Halves:
    """Tracks and what was heard in them.

    first, second: by the name of what hears, (n, d) float32, a row a track
    """

    tracks: tuple[Track, ...]
    first: Mapping[str, Rows]
    second: Mapping[str, Rows]

    def __len__(self) -> int:
        return len(self.tracks)


def spans(duration_s: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """(start, length) in seconds of what is heard of the two halves of a track.

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
    on_heard: Callable[[int], None],
) -> tuple[Halves, bool]:
    """The halves of the tracks that can be read, and whether Ctrl-C ended it early."""
    heard: list[tuple[Track, list[dict[str, Rows]]]] = []
    interrupted = False
    try:
        for number, pair in enumerate(_pairs(tracks, models), 1):
            heard += [pair] if pair else []
            on_heard(number)
    except KeyboardInterrupt:
        interrupted = True
    first, second = (_stacked([pair[side] for _, pair in heard]) for side in (0, 1))
    return Halves(tuple(track for track, _ in heard), first, second), interrupted


def _pairs(
    tracks: Sequence[Track], models: Mapping[str, EmbeddingModel]
) -> Iterator[tuple[Track, list[dict[str, Rows]]] | None]:
    for track in tracks:
        try:
            yield track, [_hear(str(track.path), *span, models) for span in spans(track.duration_s)]
        except AudioError:
            yield None


def _hear(
    path: str, start_s: float, length_s: float, models: Mapping[str, EmbeddingModel]
) -> dict[str, Rows]:
    """What each model hears in a stretch of a file, and its MFCC statistics."""
    samplers = {name: model.sampler() for name, model in models.items()}
    _listen(path, start_s, round(length_s * SR), list(samplers.values()))
    rows = {name: models[name].embed(each.windows()).vector for name, each in samplers.items()}
    return rows | {MFCC: facets(next(iter(samplers.values())).windows()).timbre}


def _listen(path: str, start_s: float, n: int, samplers: Sequence[WindowSampler]) -> None:
    with open_audio(path, SR, start_s=start_s) as audio:
        for block in audio.blocks():
            for sampler in samplers:
                sampler.push(block[:n])
            n -= len(block)
            if n <= 0:
                break


def _stacked(rows: Sequence[dict[str, Rows]]) -> dict[str, Rows]:
    names = rows[0] if rows else ()
    return {name: np.stack([row[name] for row in rows]) for name in names}
