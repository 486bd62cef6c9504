"""Queries of a similarity search: embeddings of tracks, of audio files, or of parts of these."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.audio.source import may_be_file
from fingerprinter.core.arrays import Floats
from fingerprinter.embedding import FACETS_ID, EmbeddingModel, embed_track
from fingerprinter.errors import AudioError, UnknownTrackError, UsageError
from fingerprinter.library.base.refs import TrackRef, resolve_track
from fingerprinter.library.base.sources import track_source
from fingerprinter.store.tables import facets, sections, vectors
from fingerprinter.store.tables.sections import Sections
from fingerprinter.types import Problem, Track

QuerySource = TrackRef | AudioSource
OnProblem = Callable[[Problem], None]


def as_list(query: QuerySource | Sequence[QuerySource]) -> Sequence[QuerySource]:
    """Return one source or several as a list.

    Parameters
    ----------
    query
        A track, its id or path, any audio; or a list or tuple of these. A tuple that starts with
        an array is one source, ``(samples, sr)``.

    Raises
    ------
    UsageError
        If the list is empty.
    """
    is_sound = isinstance(query, tuple) and bool(query) and isinstance(query[0], np.ndarray)
    if not isinstance(query, list | tuple) or is_sound:
        return [query]  # type: ignore[list-item]
    if not query:
        raise UsageError("the query is empty; name a track")
    return query


def track_or_audio(connection: Connection, source: QuerySource) -> Track | AudioSource:
    """Return the track that a source means; if it means none, the source, which is other audio.

    Raises
    ------
    UnknownTrackError
        If the source is neither a track nor a file.
    """
    if not isinstance(source, Track | int | str | os.PathLike):
        return source
    try:
        return resolve_track(connection, source)
    except UnknownTrackError:
        if not isinstance(source, str | os.PathLike) or not may_be_file(source):
            raise
        return source


@dataclass(frozen=True, slots=True)
class Part:
    """A time range of a recording in seconds; ``end_s`` None means to the end."""

    start_s: float = 0.0
    end_s: float | None = None

    @classmethod
    def checked(cls, start_s: float | None, end_s: float | None) -> Part | None:
        """Return the time range; None for the whole recording.

        Parameters
        ----------
        start_s, end_s
            Start and end in seconds; None means the start or the end of the recording.

        Raises
        ------
        UsageError
            If the range is empty or starts before 0.
        """
        if start_s is None and end_s is None:
            return None
        start = start_s or 0.0
        if start < 0 or (end_s is not None and end_s <= start):
            raise UsageError(f"from {start:g} s to {end_s} s is no part of a recording; swap them?")
        return cls(start, end_s)


@dataclass(frozen=True, slots=True)
class Query:
    """What the results should be similar to.

    Attributes
    ----------
    track
        The track of the library; None for other audio.
    vector
        (dim,) float32, raw as the embedding model returns it.
    tags
        (t,) float32, tag logits.
    facets
        (100,) float32; None if the library does not store the track's facets.
    """

    track: Track | None
    vector: Floats
    tags: Floats
    facets: Floats | None


class QueryBuilder:
    """Builds queries within one snapshot of a library.

    Parameters
    ----------
    connection
        The snapshot.
    model
        What embeds audio.
    on_part_read
        Receives what of a source could not be decoded, where the rest is used.
    """

    def __init__(
        self,
        connection: Connection,
        model: EmbeddingModel,
        on_part_read: OnProblem = lambda _: None,
    ) -> None:
        self._connection, self._model, self._on_part_read = connection, model, on_part_read

    def build(
        self,
        sources: Sequence[QuerySource],
        part: Part | None,
        on_problem: OnProblem | None = None,
    ) -> list[Query]:
        """Build one query from each source.

        A track of the library is answered from its stored embeddings. Its file is decoded only
        where these are missing.

        Parameters
        ----------
        sources
            Tracks of the library or other audio.
        part
            Time range of each source; None for the whole.
        on_problem
            Receives the sources that cannot be decoded, which are left out if others can be.

        Raises
        ------
        UnknownTrackError
            If a reference names no track, or a track has neither embedding nor file.
        AudioError
            If audio cannot be decoded.
        UsageError
            If the time range starts after the end of a track.
        """
        queries = list[Query]()
        problem: AudioError | None = None
        for source in sources:
            try:
                queries.append(self._query(source, part))
            except AudioError as error:
                if on_problem is None:
                    raise
                problem = error
                on_problem(Problem(str(source), str(error)))
        if problem is not None and not queries:
            raise problem
        return queries

    def _query(self, source: QuerySource, part: Part | None) -> Query:
        """Build a query from a track of the library, else from audio."""
        track = track_or_audio(self._connection, source)
        if not isinstance(track, Track):
            return self._embed(None, track, part)
        stored = self._stored(track, part)
        if stored is not None:
            return stored
        if track.path is None or not may_be_file(track.path):
            raise UnknownTrackError(
                f"track {track.id} has no embedding and its file is gone;"
                " run `fingerprinter index` on its folder"
            )
        return self._embed(track, track_source(track), part)

    def _stored(self, track: Track, part: Part | None) -> Query | None:
        """Build a query from stored embeddings; None if they do not suffice."""
        whole = vectors.get(self._connection, track.id, self._model.digest)
        windows = sections.get(self._connection, track.id, self._model.digest) if part else None
        if whole is None or (part and windows is None):
            return None
        if part is None or windows is None:
            vector = whole.vector
        else:
            vector = self._mean_vector(track, windows, part)
        return Query(track, vector, whole.tags, facets.get(self._connection, track.id, FACETS_ID))

    def _mean_vector(self, track: Track, windows: Sections, part: Part) -> Floats:
        """Average the windows whose middle lies in the part, or else take the nearest window."""
        if part.start_s >= track.duration_s:
            raise UsageError(
                f"track {track.id} is {track.duration_s:.1f} s long; none of it is"
                f" after {part.start_s:g} s"
            )
        end_s = track.duration_s if part.end_s is None else min(part.end_s, track.duration_s)
        middles_s = windows.starts_s + self._model.sampling.window / self._model.sr / 2
        inside = (middles_s >= part.start_s) & (middles_s < end_s)
        if not inside.any():
            nearest = np.abs(middles_s - (part.start_s + end_s) / 2).argmin()
            inside = np.arange(len(windows)) == nearest
        mean: Floats = windows.vectors[inside].mean(axis=0)
        return mean

    def _embed(self, track: Track | None, source: AudioSource, part: Part | None) -> Query:
        """Decode audio, only as much as the part needs, and embed it."""
        sampler = self._model.sampler()
        part = part or Part()
        left = None if part.end_s is None else round((part.end_s - part.start_s) * self._model.sr)
        with open_audio(source, self._model.sr, start_s=part.start_s) as audio:
            for block in audio.blocks():
                sampler.push(block[:left])
                left = None if left is None else max(0, left - len(block))
                if left == 0:
                    break
            if audio.problem:
                self._on_part_read(Problem(audio.name, audio.problem))
        embedded = embed_track(self._model, sampler)
        whole = embedded.embedding
        return Query(track, whole.vector, whole.tags, embedded.facets.row())
