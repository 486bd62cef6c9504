"""Search for tracks that hold the same recording: landmarks propose pairs, peaks decide.

Every track looks up a few of its landmarks in the whole library. Tracks on which enough landmarks
agree are candidates. Each pair is aligned in full once, with the track that has fewer peaks as the
query: most of its landmarks lie in the other track, so the few landmarks fall into the common part.
Pairs that share most of both tracks are joined to groups. A pair in which only one track lies in
the other stays a pair, so that a mix does not join the tracks that it contains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from sqlalchemy import Connection

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.match.duplicate_queries import (
    SPEEDS,
    DuplicateQuery,
    HashFrequencies,
    probe_landmarks,
)
from fingerprinter.core.match.overlap import Overlap, Reference, overlap
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.errors import CorruptionError
from fingerprinter.library.base.stored_peaks import decode_peaks, load_peaks_if_intact
from fingerprinter.store.index.lookup import DELETED_TRACK, PostingIndex
from fingerprinter.store.tables import constellations, tracks
from fingerprinter.types import (
    DuplicateGroup,
    DuplicateReport,
    Evidence,
    Landmarks,
    Peaks,
    Problem,
    Track,
)

_TRACKS_PER_LOOKUP = 16  # more tracks cost memory and save little time


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Number of tracks that were searched for, and of all tracks."""

    done: int
    total: int


OnSearchProgress = Callable[[SearchProgress], None]


@dataclass(frozen=True, slots=True)
class _Query:
    """A track that is searched for."""

    track_id: int
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A track that the query may lie in, at the query's approximate speed and some offsets."""

    track_id: int
    speed: float
    votes: int
    offsets: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two aligned tracks, of which the query lies in the reference."""

    reference_id: int
    query_id: int
    overlap: Overlap


class _Recordings:
    """Union-find of the tracks that hold one recording."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def of(self, track_id: int) -> int:
        """Return the track that represents a track's recording."""
        while (parent := self._parents.get(track_id, track_id)) != track_id:
            self._parents[track_id] = self._parents.get(parent, parent)
            track_id = parent
        return track_id

    def join(self, a: int, b: int) -> None:
        """Make two tracks hold one recording; the older track represents it."""
        first, second = sorted((self.of(a), self.of(b)))
        self._parents[second] = first

    def are_copies(self, a: int, b: int) -> bool:
        """Return whether two tracks hold one recording."""
        return self.of(a) == self.of(b)


class DuplicateSearch:
    """One search through one snapshot of a library.

    Parameters
    ----------
    connection : Connection
        The snapshot.
    index : PostingIndex
        The postings of the snapshot.
    params : LandmarkParams
        The parameters of the library.
    min_confidence : float, optional
        The least confidence of a pair of tracks. The default is that of the policy.
    policy : SearchPolicy
        The values that decide which tracks are copies.
    """

    def __init__(
        self,
        connection: Connection,
        index: PostingIndex,
        params: LandmarkParams,
        min_confidence: float | None = None,
        policy: SearchPolicy = DEFAULT_POLICY,
    ) -> None:
        self._connection, self._index, self._params = connection, index, params
        self._policy = policy
        self._min_confidence = (
            policy.overlap.min_confidence if min_confidence is None else min_confidence
        )
        self._frequencies = HashFrequencies(params, policy.duplicates)
        self._recordings = _Recordings()
        self._same: list[_Pair] = []
        self._parts: list[_Pair] = []
        self._problems: list[Problem] = []

    def run(self, on_progress: OnSearchProgress) -> DuplicateReport:
        """Search for every track.

        Parameters
        ----------
        on_progress : callable
            Is called with a `SearchProgress` after each look-up.

        Returns
        -------
        DuplicateReport
            A track with damaged peaks is a problem of the report and left out.
        """
        done, total = 0, tracks.counts(self._connection).tracks
        stored = constellations.iterate(self._connection)
        while rows := list(islice(stored, _TRACKS_PER_LOOKUP)):
            queries = [query for query in map(self._decode, rows) if query]
            for query, candidates in self._candidates(queries) if queries else ():
                self._compare(query, candidates)
            done += len(rows)
            on_progress(SearchProgress(done, total))
        return DuplicateReport(tuple(self._groups()), tuple(self._problems))

    def _decode(self, row: tuple[int, bytes]) -> _Query | None:
        track_id, data = row
        try:
            return _Query(track_id, decode_peaks(track_id, data))
        except CorruptionError as error:
            path = tracks.get(self._connection, track_id).path
            self._problems.append(Problem(path or f"track {track_id}", str(error)))
            return None

    def _candidates(self, queries: Sequence[_Query]) -> Iterator[tuple[_Query, list[_Candidate]]]:
        """Look up all queries at once and yield for each the tracks with the most votes."""
        policy = self._policy.duplicates
        lookup = DuplicateQuery(self._probes(queries), policy)
        postings = self._index.lookup(self._connection, lookup.hashes, policy.max_postings)
        best: list[dict[int, _Candidate]] = [{} for _ in queries]
        for found in lookup.proposals(postings.query, *self._index.locate(postings.position)):
            number, speed = divmod(found.probe, len(SPEEDS))
            known = best[number].get(found.track_id)
            if known is None or found.votes > known.votes:
                best[number][found.track_id] = _Candidate(
                    found.track_id, SPEEDS[speed], found.votes, found.offsets
                )
        for query, candidates in zip(queries, best, strict=True):
            others = [
                each
                for each in candidates.values()
                if each.track_id not in (DELETED_TRACK, query.track_id)
            ]
            yield query, sorted(others, key=lambda each: -each.votes)[: policy.max_tracks]

    def _probes(self, queries: Sequence[_Query]) -> list[Landmarks]:
        """Choose a few landmarks of each query at each of `SPEEDS`, the rarest ones so far."""
        policy = self._policy.duplicates
        landmarks = [probe_landmarks(query.peaks, self._params, policy) for query in queries]
        for unchanged, *_ in landmarks:
            self._frequencies.meet(unchanged)
        return [
            self._frequencies.probe(some, speed)
            for each in landmarks
            for some, speed in zip(each, SPEEDS, strict=True)
        ]

    def _compare(self, query: _Query, candidates: Sequence[_Candidate]) -> None:
        """Align a query with its candidates that have more peaks, and keep the pairs that match."""
        for candidate in candidates:
            if self._recordings.are_copies(query.track_id, candidate.track_id):
                continue
            # Damaged peaks read as none here; they are reported when the track is the query.
            peaks = load_peaks_if_intact(self._connection, candidate.track_id)
            if (len(query.peaks), query.track_id) < (len(peaks), candidate.track_id):
                policy, reference = self._policy.overlap, Reference(peaks, self._policy.overlap)
                speed, offsets = candidate.speed, candidate.offsets
                found = overlap(query.peaks, reference, speed, offsets, policy)
                self._keep_if_match(_Pair(candidate.track_id, query.track_id, found))

    def _keep_if_match(self, pair: _Pair) -> None:
        found, policy = pair.overlap, self._policy.overlap
        if found.query_share < policy.min_share or found.confidence < self._min_confidence:
            return
        shared_s = sum(each.end - each.start for each in found.passages) * self._params.hop_s
        if found.reference_share >= policy.min_share:
            self._recordings.join(pair.reference_id, pair.query_id)
            self._same.append(pair)
        elif shared_s >= policy.min_part_s:
            self._parts.append(pair)

    def _groups(self) -> Iterator[DuplicateGroup]:
        """Yield the recordings that several tracks hold, then the tracks that are part of one."""
        pairs = [*self._same, *self._parts]
        ids = {track_id for pair in pairs for track_id in (pair.reference_id, pair.query_id)}
        known = tracks.get_many(self._connection, ids)
        same: dict[int, list[_Pair]] = {}
        for pair in self._same:
            same.setdefault(self._recordings.of(pair.reference_id), []).append(pair)
        for _, members in sorted(same.items()):
            ids = {track_id for pair in members for track_id in (pair.reference_id, pair.query_id)}
            yield self._group("same", [known[track_id] for track_id in sorted(ids)], members)
        for pair in self._best_parts():
            yield self._group("part", [known[pair.reference_id], known[pair.query_id]], [pair])

    def _best_parts(self) -> list[_Pair]:
        """Return the pair with the most evidence for each two recordings."""
        best: dict[tuple[int, int], _Pair] = {}
        for pair in self._parts:
            key = self._recordings.of(pair.reference_id), self._recordings.of(pair.query_id)
            if key[0] != key[1] and (key not in best or pair.overlap.nats > best[key].overlap.nats):
                best[key] = pair
        return [best[key] for key in sorted(best)]

    def _group(
        self, kind: Literal["same", "part"], members: Sequence[Track], pairs: Sequence[_Pair]
    ) -> DuplicateGroup:
        hop_s = self._params.hop_s
        evidence = [
            Evidence(
                a=pair.reference_id,
                b=pair.query_id,
                offset_s=passage.line.offset * hop_s,
                overlap_s=(passage.end - passage.start) * hop_s,
                confidence=pair.overlap.confidence,
                start_s=max(0.0, passage.start * hop_s),
                speed=passage.line.speed,
            )
            for pair in pairs
            for passage in pair.overlap.passages
        ]
        evidence.sort(key=lambda each: (each.a, each.b, each.start_s))
        return DuplicateGroup(kind, tuple(members), tuple(evidence))


def exact_copies(connection: Connection) -> Iterator[DuplicateGroup]:
    """Yield the tracks that several files hold, as groups of the kind "exact"."""
    for copies in tracks.exact_copies(connection):
        track = copies[0]
        whole = Evidence(track.id, track.id, 0.0, track.duration_s, confidence=1.0, start_s=0.0)
        yield DuplicateGroup("exact", tuple(copies), (whole,))
