"""Search for versions: other performances of the piece that a track or a clip plays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from heapq import nlargest
from itertools import islice
from operator import itemgetter

from sqlalchemy import Connection

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.audio.source import rereadable, source_name
from fingerprinter.core.mir.chroma import ChromaMeter
from fingerprinter.core.mir.versions import (
    FRAME_S,
    LONGEST_FRAMES,
    Alignment,
    ChromaSequence,
    Harmony,
    align,
    best_scores,
    chroma_sequence,
)
from fingerprinter.core.numeric import compiled
from fingerprinter.embedding.beats import SR
from fingerprinter.errors import UsageError
from fingerprinter.library.base.defaults import MIN_VERSION_CONFIDENCE, MIN_VERSION_QUERY_S
from fingerprinter.library.base.sources import track_source
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.identify.recognizer import Recognizer
from fingerprinter.library.music.analyze import analysis_id
from fingerprinter.library.similar.filters import admitted_ids
from fingerprinter.library.similar.queries import OnProblem, QuerySource, track_or_audio
from fingerprinter.store.tables import analyses, feature_rows, schema, tracks
from fingerprinter.store.tables.lists import NO_FILTER, TrackFilter
from fingerprinter.types import Problem, Track, Version

# Tracks that are compared in detail, at least and for each result: those that are most alike in
# seconds. Of 123 versions 122 were among the first five of these, and one was the 25th.
_COMPARED, _COMPARED_PER_RESULT = 30, 3
_TRACKS_PER_STEP = 64
# Analysed tracks from which on a query loads the compiled kernels. These save 0.6 to 1.1 ms for
# each track, and loading takes about a second.
_COMPILED_FROM_TRACKS = 2000
_MOST_COPIES = 20  # of the recording of a clip, which are no versions of it
_MOST_OF_CLIP = 5  # versions that are listed of a clip that `identify` does not know

IsSameRecording = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class VersionOptions:
    """Which versions are listed.

    Attributes
    ----------
    n
        Length of the list.
    only
        Which tracks may be listed.
    min_confidence
        The least confidence of a version.
    copies
        Whether tracks that hold the recording of the query are listed, too.
    """

    n: int
    only: TrackFilter
    min_confidence: float = MIN_VERSION_CONFIDENCE
    copies: bool = False


def find_versions(
    connection: Connection,
    recognizer: Recognizer,
    source: QuerySource,
    options: VersionOptions,
    on_problem: OnProblem,
) -> list[Version]:
    """Find the versions of a track or of any other audio.

    Parameters
    ----------
    connection
        The snapshot to search in.
    recognizer
        The recognizer of the same snapshot, which finds the recording of other audio.
    source
        A track, its id or path, or audio.
    options
        Which versions are listed.
    on_problem
        Is called if the audio can be read only in part.

    Raises
    ------
    UnknownTrackError
        If the source is neither a track nor audio.
    AudioError
        If the audio cannot be decoded.
    UsageError
        If the audio is too short, or if no track has been analysed.
    """
    _require_analyses(connection)
    track = track_or_audio(connection, source)
    if not isinstance(track, Track):
        name = source_name(track)
        with rereadable(track, name) as audio:
            search = _search_of_audio(connection, recognizer, audio)
            return search.run(_read_sequence(audio, name, on_problem), None, options)
    stored = analyses.chroma_sequences(connection, analysis_id(), [track.id])
    sequences = [sequence for _, sequence in stored]
    if not sequences:
        name = track.path or f"track {track.id}"
        sequences = [_read_sequence(track_source(track), name, on_problem)]
    detector = CopyDetector(connection, recognizer.params, recognizer.policy)
    search = VersionSearch(connection, partial(detector.are_copies, track.id))
    return search.run(sequences[0], track.id, options)


def versions_of_clip(
    connection: Connection, recognizer: Recognizer, source: AudioSource, name: str
) -> list[Version] | None:
    """Find the versions of a clip that can be read more than once; None if it is too short.

    Parameters
    ----------
    connection, recognizer
        See `find_versions`.
    source, name
        The clip, and its name in messages. Its identification has told what of it is missing.

    Raises
    ------
    AudioError
        If the clip cannot be decoded.
    UsageError
        If no track has been analysed.
    """
    _require_analyses(connection)
    sequence = _read_sequence(source, name)
    if len(sequence) * FRAME_S < MIN_VERSION_QUERY_S:
        return None
    options = VersionOptions(_MOST_OF_CLIP, NO_FILTER)
    return _search_of_audio(connection, recognizer, source).run(sequence, None, options)


def _require_analyses(connection: Connection) -> None:
    if not feature_rows.exist(connection, schema.analysis, analysis_id()):
        raise UsageError("no track has been analysed; run `fingerprinter analyze --all`")


def _read_sequence(
    source: AudioSource, name: str, on_problem: OnProblem = lambda _: None
) -> ChromaSequence:
    """Compute the chroma sequence, (n, 12), of audio, and report what of it is missing."""
    meter = ChromaMeter(SR)
    with open_audio(source, SR, name=name) as audio:
        for block in audio.blocks():
            meter.push(block)
            if audio.decoded_s > LONGEST_FRAMES * FRAME_S:
                break
    if audio.problem:
        on_problem(Problem(audio.name, audio.problem))
    return chroma_sequence(meter.result())


def _search_of_audio(
    connection: Connection, recognizer: Recognizer, source: AudioSource
) -> VersionSearch:
    """Return the search for versions of audio, which looks up its recordings if it must."""
    same = cache(partial(_recordings, recognizer, source))
    return VersionSearch(connection, lambda track_id: track_id in same())


def _recordings(recognizer: Recognizer, source: AudioSource) -> frozenset[int]:
    """The tracks that hold the recording of a clip."""
    with open_audio(source, recognizer.params.sr) as audio:
        answer = recognizer.answer(audio, None, all_matches=False, alternatives=_MOST_COPIES)
    return frozenset(match.track.id for match in [*answer.matches, *answer.alternatives])


class VersionSearch:
    """Finds versions within one snapshot of a library.

    All tracks are compared by frames of a second, and the most alike ones again by half seconds.

    Parameters
    ----------
    connection
        Connection whose transaction is the snapshot.
    is_same_recording
        Tells whether the track of an id holds the recording of the query.
    """

    def __init__(self, connection: Connection, is_same_recording: IsSameRecording) -> None:
        self._connection, self._is_same_recording = connection, is_same_recording

    def run(
        self, sequence: ChromaSequence, query_id: int | None, options: VersionOptions
    ) -> list[Version]:
        """Find the versions of a chroma sequence, (n, 12) uint8, the surest first.

        Parameters
        ----------
        query_id
            The track of the sequence, which is no version of itself.

        Raises
        ------
        UsageError
            If the sequence is too short.
        """
        if len(sequence) * FRAME_S < MIN_VERSION_QUERY_S:
            raise UsageError(
                f"the query lasts {len(sequence) * FRAME_S:g} s, and versions need"
                f" {MIN_VERSION_QUERY_S:g} s; give a longer clip"
            )
        likely = self._most_alike(sequence, query_id, options)
        known = tracks.get_many(self._connection, [track_id for track_id, _ in likely])
        aligned = [(align(sequence, other), track_id) for track_id, other in likely]
        aligned.sort(key=lambda each: (-each[0].confidence, each[1]))
        found = [_version(known[number], each) for each, number in aligned if number in known]
        return list(islice(self._listed(found, options), min(options.n, len(found))))

    def _most_alike(
        self, sequence: ChromaSequence, query_id: int | None, options: VersionOptions
    ) -> list[tuple[int, ChromaSequence]]:
        """Compare all tracks by seconds, and keep those to compare in detail."""
        analyzed = feature_rows.count(self._connection, schema.analysis, analysis_id())
        if analyzed >= _COMPILED_FROM_TRACKS:
            compiled.load()
        query = Harmony.of(sequence, "coarse")
        admitted = admitted_ids(self._connection, options.only)
        ids = None if admitted is None else admitted.tolist()
        stored = analyses.chroma_sequences(self._connection, analysis_id(), ids)
        others = (each for each in stored if each[0] != query_id)
        best: list[tuple[float, int, ChromaSequence]] = []
        count = max(_COMPARED, _COMPARED_PER_RESULT * options.n)
        while some := list(islice(others, _TRACKS_PER_STEP)):
            scores, _ = best_scores(query, [Harmony.of(other, "coarse") for _, other in some])
            scored = zip(scores.tolist(), some, strict=True)
            best += [(score, track_id, other) for score, (track_id, other) in scored]
            best = nlargest(count, best, key=itemgetter(0))
        return [(track_id, other) for _, track_id, other in best]

    def _listed(self, found: Iterable[Version], options: VersionOptions) -> Iterator[Version]:
        """Yield those that are sure enough; recordings of the query only where they are wanted."""
        for each in found:
            if each.confidence < options.min_confidence:
                continue
            if not self._is_same_recording(each.track.id):
                yield each
            elif options.copies:
                yield replace(each, same_recording=True)


def _version(track: Track, found: Alignment) -> Version:
    return Version(
        track=track,
        confidence=round(found.confidence, 4),
        score=round(found.score, 2),
        semitones=found.semitones,
        tempo=round((found.query_end_s - found.query_start_s) / (found.end_s - found.start_s), 3),
        query_start_s=found.query_start_s,
        query_end_s=found.query_end_s,
        start_s=found.start_s,
        end_s=found.end_s,
    )
