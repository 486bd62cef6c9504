"""The same recording several times in a library: landmarks propose, peaks decide.

Every track asks the whole library once, by a few landmarks. Where enough of them agree,
the two are laid over each other in full, but only by the one with less music in it: most
of it lies in the other, so the few landmarks were spread over what both have. What is the
same becomes a group, what is contained a pair of its own: a mix joins nothing.
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
from fingerprinter.core.match.overlap import Overlap, Reference, SharedPassage, overlap
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

MOST = 0.8  # share of a recording's peaks that is most of it
_PART_S = 5.0  # a shorter part of another recording is a jingle, a sample, a coincidence
_CANDIDATES = 32  # tracks that one track is laid over at most
_PORTION = 16  # tracks that are looked up together; more cost memory and save little
# That one look-up brings: up to 3,000 tracks all that there are. Of 10,000 the most common hashes
# are left out, and 73 of 76 copies at another speed are still proposed (half as many: 52).
_POSTINGS = 1 << 21


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How many of the tracks have been looked for."""

    done: int
    total: int


OnSearchProgress = Callable[[SearchProgress], None]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A track and its peaks."""

    id: int
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A track that another may lie over.

    speed: about that of the other one; offsets: see `Proposal`
    """

    track_id: int
    speed: float
    votes: int
    offsets: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A track that lies over another, both by their ids."""

    ground: int
    upper: int
    overlap: Overlap


class _Recordings:
    """Which tracks hold one recording (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def of(self, track_id: int) -> int:
        """The track that stands for a track's recording."""
        while (parent := self._parents.get(track_id, track_id)) != track_id:
            self._parents[track_id] = self._parents.get(parent, parent)
            track_id = parent
        return track_id

    def join(self, a: int, b: int) -> None:
        """Makes two tracks hold one recording, for which the older track stands."""
        first, second = sorted((self.of(a), self.of(b)))
        self._parents[second] = first

    def are_copies(self, a: int, b: int) -> bool:
        """Whether two tracks hold one recording."""
        return self.of(a) == self.of(b)


class DuplicateSearch:
    """One search through one state of a library."""

    def __init__(
        self,
        connection: Connection,
        index: PostingIndex,
        params: LandmarkParams,
        at_least: float,
    ) -> None:
        """at_least: the least confidence of a pair that counts."""
        self._connection, self._index, self._params = connection, index, params
        self._at_least = at_least
        self._frequencies = HashFrequencies(params)
        self._recordings = _Recordings()
        self._same: list[_Pair] = []
        self._parts: list[_Pair] = []
        self._problems: list[Problem] = []

    def run(self, on_progress: OnSearchProgress) -> DuplicateReport:
        """Looks for every track; a damaged one is named and left out."""
        done, total = 0, tracks.counts(self._connection).tracks
        for portion in self._portions():
            heard = [each for each in map(self._heard, portion) if each]
            for upper, candidates in self._candidates(heard) if heard else ():
                self._compare(upper, candidates)
            done += len(portion)
            on_progress(SearchProgress(done, total))
        return DuplicateReport(tuple(self._groups()), tuple(self._problems))

    def _portions(self) -> Iterator[list[tuple[int, bytes]]]:
        """Ids and packed peaks of all tracks."""
        stored = constellations.iterate(self._connection)
        while portion := list(islice(stored, _PORTION)):
            yield portion

    def _heard(self, stored: tuple[int, bytes]) -> _Heard | None:
        track_id, data = stored
        try:
            return _Heard(track_id, decode_peaks(track_id, data))
        except CorruptionError as error:
            path = tracks.get(self._connection, track_id).path
            self._problems.append(Problem(path or f"track {track_id}", str(error)))
            return None

    def _candidates(self, heard: Sequence[_Heard]) -> Iterator[tuple[_Heard, list[_Candidate]]]:
        """For each track those with the most votes, from one look-up for all."""
        question = DuplicateQuery(self._probes(heard))
        postings = self._index.lookup(self._connection, question.hashes, _POSTINGS)
        best: list[dict[int, _Candidate]] = [{} for _ in heard]
        for found in question.proposals(postings.query, *self._index.locate(postings.position)):
            number, speed = divmod(found.probe, len(SPEEDS))
            known = best[number].get(found.track_id)
            if known is None or found.votes > known.votes:
                best[number][found.track_id] = _Candidate(
                    found.track_id, SPEEDS[speed], found.votes, found.offsets
                )
        for each, mine in zip(heard, best, strict=True):
            others = [one for one in mine.values() if one.track_id not in (DELETED_TRACK, each.id)]
            yield each, sorted(others, key=lambda one: -one.votes)[:_CANDIDATES]

    def _probes(self, heard: Sequence[_Heard]) -> list[Landmarks]:
        """A probe of each track at each of `SPEEDS`."""
        marks = [probe_landmarks(each.peaks, self._params) for each in heard]
        for plain, *_ in marks:
            self._frequencies.meet(plain)
        return [
            self._frequencies.probe(some, speed)
            for each in marks
            for some, speed in zip(each, SPEEDS, strict=True)
        ]

    def _compare(self, upper: _Heard, candidates: Sequence[_Candidate]) -> None:
        """Lays a track over those that hold more, unless it is known to be the same."""
        for candidate in candidates:
            if self._recordings.are_copies(upper.id, candidate.track_id):
                continue
            # none of a damaged one, which is said when its turn comes
            ground = load_peaks_if_intact(self._connection, candidate.track_id)
            if (len(upper.peaks), upper.id) < (len(ground), candidate.track_id):
                laid = overlap(upper.peaks, Reference(ground), candidate.speed, candidate.offsets)
                self._judge(_Pair(candidate.track_id, upper.id, laid))

    def _judge(self, pair: _Pair) -> None:
        if pair.overlap.query_share < MOST or pair.overlap.confidence < self._at_least:
            return
        if pair.overlap.reference_share >= MOST:
            self._recordings.join(pair.ground, pair.upper)
            self._same.append(pair)
        elif self._length_s(pair.overlap) >= _PART_S:
            self._parts.append(pair)

    def _length_s(self, laid: Overlap) -> float:
        return sum(each.end - each.start for each in laid.passages) * self._params.hop_s

    def _groups(self) -> Iterator[DuplicateGroup]:
        """The recordings that are there several times, then those that are part of another."""
        pairs = [*self._same, *self._parts]
        ids = {track_id for pair in pairs for track_id in (pair.ground, pair.upper)}
        known = tracks.get_many(self._connection, ids)
        same: dict[int, list[_Pair]] = {}
        for pair in self._same:
            same.setdefault(self._recordings.of(pair.ground), []).append(pair)
        for _, members in sorted(same.items()):
            ids = {track_id for pair in members for track_id in (pair.ground, pair.upper)}
            yield self._group("same", [known[track_id] for track_id in sorted(ids)], members)
        for pair in self._best_parts():
            yield self._group("part", [known[pair.ground], known[pair.upper]], [pair])

    def _best_parts(self) -> list[_Pair]:
        """Of the pairs of tracks that hold the same two recordings the one that agrees best."""
        best: dict[tuple[int, int], _Pair] = {}
        for pair in self._parts:
            key = self._recordings.of(pair.ground), self._recordings.of(pair.upper)
            if key[0] != key[1] and (key not in best or pair.overlap.nats > best[key].overlap.nats):
                best[key] = pair
        return [best[key] for key in sorted(best)]

    def _group(
        self, kind: Literal["same", "part"], members: Sequence[Track], pairs: Sequence[_Pair]
    ) -> DuplicateGroup:
        evidence = [
            self._evidence(pair, stretch) for pair in pairs for stretch in pair.overlap.passages
        ]
        evidence.sort(key=lambda each: (each.a, each.b, each.start_s))
        return DuplicateGroup(kind, tuple(members), tuple(evidence))

    def _evidence(self, pair: _Pair, stretch: SharedPassage) -> Evidence:
        hop_s = self._params.hop_s
        return Evidence(
            a=pair.ground,
            b=pair.upper,
            offset_s=stretch.line.offset * hop_s,
            overlap_s=(stretch.end - stretch.start) * hop_s,
            confidence=pair.overlap.confidence,
            start_s=max(0.0, stretch.start * hop_s),
            speed=stretch.line.speed,
        )
