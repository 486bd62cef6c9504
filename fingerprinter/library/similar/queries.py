"""What somebody asks for the like of, as the embedding model hears it: tracks, files, parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.embedding import FACETS_ID, EmbeddingModel, TrackEmbeddings, embed_track
from fingerprinter.errors import UnknownTrackError, UsageError
from fingerprinter.library.base.refs import TrackRef, resolve_track
from fingerprinter.store.tables import facets, sections, vectors
from fingerprinter.store.tables.sections import Sections
from fingerprinter.types import Track

Floats = npt.NDArray[np.float32]

QuerySource = TrackRef | AudioSource


def as_list(asked: QuerySource | Sequence[QuerySource]) -> Sequence[QuerySource]:
    """What is asked for, as a list; raises `UsageError` where it is empty."""
    is_sound = isinstance(asked, tuple) and bool(asked) and isinstance(asked[0], np.ndarray)
    if not isinstance(asked, list | tuple) or is_sound:
        return [asked]  # type: ignore[list-item]
    if not asked:
        raise UsageError("nothing is asked for; name a track")
    return asked


@dataclass(frozen=True, slots=True)
class Part:
    """From where to where, in seconds; end_s None: to the end."""

    start_s: float = 0.0
    end_s: float | None = None

    @classmethod
    def checked(cls, start_s: float | None, end_s: float | None) -> Part | None:
        """The part that is meant, None for the whole; raises `UsageError` for what is none."""
        if start_s is None and end_s is None:
            return None
        start = start_s or 0.0
        if start < 0 or (end_s is not None and end_s <= start):
            raise UsageError(f"from {start:g} s to {end_s} s is no part of a recording; swap them?")
        return cls(start, end_s)


@dataclass(frozen=True, slots=True)
class Query:
    """One thing that others shall be like.

    track: of the library; None for other audio
    vector, tags: raw, as the model gives them; facets: (100,) or None where they are not kept
    """

    track: Track | None
    vector: Floats
    tags: Floats
    facets: Floats | None


class QueryBuilder:
    """Makes questions of what is named, in one state of a library."""

    def __init__(self, connection: Connection, model: EmbeddingModel) -> None:
        self._connection, self._model = connection, model

    def questions(self, asked: Sequence[QuerySource], part: Part | None) -> list[Query]:
        """One of each; raises `UnknownTrackError`, `AudioError`, and `UsageError` for no part.

        part: of each of them; None: the whole
        """
        return [self._question(each, part) for each in asked]

    def _question(self, asked: QuerySource, part: Part | None) -> Query:
        if not isinstance(asked, Track | int | str | os.PathLike):
            return _heard(None, self._listen(asked, part))
        try:
            track = resolve_track(self._connection, asked)
        except UnknownTrackError:
            if not isinstance(asked, str | os.PathLike) or not Path(asked).is_file():
                raise
            return _heard(None, self._listen(asked, part))
        return self._stored(track, part) or self._of_file(track, part)

    def _stored(self, track: Track, part: Part | None) -> Query | None:
        """From what the library keeps; None where that is not enough."""
        kept = vectors.get(self._connection, track.id, self._model.digest)
        parts = sections.get(self._connection, track.id, self._model.digest) if part else None
        if kept is None or (part and parts is None):
            return None
        vector = kept.vector if part is None or parts is None else self._mean(track, parts, part)
        return Query(track, vector, kept.tags, facets.get(self._connection, track.id, FACETS_ID))

    def _mean(self, track: Track, parts: Sections, part: Part) -> Floats:
        """The mean of the windows whose middle lies in a part, else the window nearest to it."""
        if part.start_s >= track.duration_s:
            raise UsageError(
                f"track {track.id} is {track.duration_s:.1f} s long; none of it is"
                f" after {part.start_s:g} s"
            )
        end_s = track.duration_s if part.end_s is None else min(part.end_s, track.duration_s)
        middles = parts.starts_s + self._model.sampling.window / self._model.sr / 2
        inside = (middles >= part.start_s) & (middles < end_s)
        if not inside.any():
            inside = np.arange(len(parts)) == np.abs(middles - (part.start_s + end_s) / 2).argmin()
        mean: Floats = parts.vectors[inside].mean(axis=0)
        return mean

    def _of_file(self, track: Track, part: Part | None) -> Query:
        if track.path is None or not Path(track.path).is_file():
            raise UnknownTrackError(
                f"track {track.id} has no embedding and its file is gone;"
                " run `fingerprinter index` on its folder"
            )
        return _heard(track, self._listen(track.path, part))

    def _listen(self, source: AudioSource, part: Part | None) -> TrackEmbeddings:
        """Hears audio, no more of it than the part."""
        sampler = self._model.sampler()
        part = part or Part()
        left = None if part.end_s is None else round((part.end_s - part.start_s) * self._model.sr)
        with open_audio(source, self._model.sr, start_s=part.start_s) as audio:
            for block in audio.blocks():
                sampler.push(block[:left])
                left = None if left is None else max(0, left - len(block))
                if left == 0:
                    break
        return embed_track(self._model, sampler)


def _heard(track: Track | None, heard: TrackEmbeddings) -> Query:
    return Query(track, heard.embedding.vector, heard.embedding.tags, heard.facets.row())
