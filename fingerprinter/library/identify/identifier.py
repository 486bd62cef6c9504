"""A clip's peaks -> the recordings in it.

The unchanged clip is tried first, with all its peaks. If that decides nothing, the
clip's peaks are stretched to every tempo and pitch of one kind of change after
another (`fingerprinter.core.fingerprint.warp`), until one of them is decisive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.landmarks import (
    make_landmarks,
    shifted_landmarks,
    warped_landmarks,
)
from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.peaks import limit_density, sort_by_bin
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.core.fingerprint.warp import ESCALATION, TEMPOS, UNCHANGED, Warp, unwarp
from fingerprinter.core.match import matching
from fingerprinter.core.match.closeness import Closeness, closeness
from fingerprinter.core.match.matching import Alignment, AlignmentCurve, Doubles, Longs, Votes
from fingerprinter.library.base.stored_peaks import decode_peaks
from fingerprinter.library.identify.sketch_index import Likely, SketchIndex
from fingerprinter.store.index.lookup import DELETED_TRACK, MAX_POSTINGS, PostingIndex
from fingerprinter.store.tables import constellations
from fingerprinter.types import Landmarks, Peaks

_BESIDE = (-2.0, 0.0, 2.0)  # frames by which votes and peaks may lie beside what sketches find
_ONE_FRAMES = 3.0  # places of a track that are one: their alignment is looked for that far
_PLACES = 128  # with the most votes that are looked at, ...
_WARPED_PLACES = 48  # ... under each of many warps
# Parts of the clip at which its track is looked up: it may begin before its track or end behind.
_INSIDE = (0.1, 0.5, 0.9)
_WARPED_INSIDE = (0.5,)  # many variants: only a clip that is half inside is found


@dataclass(frozen=True, slots=True)
class Found:
    """A recording in a clip.

    alignment: the clip's frame 0 in frames of the recording
    excess: of its votes; chance: the score that chance reaches in such a search
    likeness: of its sketches; 0 where they were not compared
    """

    track_id: int
    warp: Warp
    alignment: Alignment
    closeness: Closeness
    excess: float
    chance: float
    likeness: float = 0.0

    @property
    def score(self) -> float:
        """Of everything that is known of it; see `matching.combined_score`."""
        return matching.combined_score(
            self.alignment.score, self.excess, self.closeness.score, self.likeness
        )

    @property
    def confidence(self) -> float:
        """The probability that it is right."""
        return matching.confidence(self.score, self.chance)


@dataclass(frozen=True, slots=True)
class _Clip:
    """What is known of a clip.

    strong: the peaks that vote and align, as dense as `QueryParams` has them, of grade 0
    every: all that were found, of every grade; length_s: from the first to the last
    contrast: None where it is not compared by sketches
    """

    strong: Peaks
    every: Peaks
    length_s: float
    contrast: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A track that many landmarks agree on, or that sketches find likely."""

    track_id: int
    offset: float
    excess: float
    warp: Warp
    likeness: float = 0.0


@dataclass(frozen=True, slots=True)
class _Variant:
    """A clip's landmarks under one warp, at one or more phases."""

    warp: Warp
    landmarks: Sequence[Landmarks]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where one variant of a clip may lie: arrays (n,), best first."""

    track_ids: Longs
    offsets: Longs
    excess: Doubles
    variants: Longs


class Identifier:
    """Searches one state of a library."""

    def __init__(
        self,
        connection: Connection,
        index: PostingIndex,
        params: LandmarkParams,
        query: QueryParams,
        sketchbook: Callable[[], SketchIndex] = SketchIndex.empty,
    ) -> None:
        self._connection, self._index = connection, index
        self._params, self._query, self._read_sketchbook = params, query, sketchbook
        self._library_s = index.frame_count * params.hop_s
        self._tracks: dict[int, Peaks] = {}

    @cached_property
    def _sketchbook(self) -> SketchIndex:
        return self._read_sketchbook()

    def identify(
        self, peaks: Peaks, at_least: float, *, every: bool, contrast: Floats | None = None
    ) -> list[Found]:
        """The recordings in a clip of some seconds, most certain first.

        peaks: all that were found in it, of every grade; at_least: the least confidence
        every: look for further recordings behind a certain one too
        contrast: of the same seconds, to compare sketches too; None where peaks were left out
        """
        greatest = peaks.take(peaks.grade == 0)
        length_s = float(np.ptp(peaks.frames)) * self._params.hop_s if len(peaks) else 0.0
        clip = _Clip(
            limit_density(greatest, self._query.peaks_per_s, self._params), peaks, length_s
        )
        found = [] if every else self._decided(clip)
        if not found:
            if contrast is not None and len(self._sketchbook):
                clip = replace(clip, contrast=contrast)
            found = self._unchanged(clip)
        if not self._is_beyond_doubt(clip, found, escalated=False):
            found = max(found, self._escalated(clip), key=_margin)
        return [self._retuned(clip, each) for each in found if each.confidence >= at_least]

    def _is_beyond_doubt(self, clip: _Clip, found: Sequence[Found], *, escalated: bool) -> bool:
        """Whether the best is certain without its sketches: drums are alike at any pitch."""
        if not found:
            return False
        by_peaks = found[0].score - found[0].likeness
        chance = self._chance(clip.length_s, escalated=escalated, sketched=False)
        return matching.confidence(by_peaks, chance) >= self._query.decisive

    def _decided(self, clip: _Clip) -> list[Found]:
        """The places with the most votes, if the best of them is beyond doubt.

        All are weighed: two pieces may share a passage, and the closer one is meant.
        """
        quick, most = self._quick(clip.strong), self._query.quick_proposals
        found = self._judge(clip, self._propose([quick], (0.5,), most, self._query.quick_postings))
        return found if _certainty(found) >= self._query.decisive else []

    def _unchanged(self, clip: _Clip) -> list[Found]:
        if clip.contrast is None:
            return self._judge(clip, self._voted(clip, self._query))
        most = self._query.sketched_proposals
        proposals = self._voted(clip, replace(self._query, detunings=(0.0,), proposals=most))
        likely = [
            _Proposal(place.track_id, place.offset, 0.0, UNCHANGED)
            for place in self._sketchbook.nearest(clip.contrast, most)
            if not any(_are_one(place, proposal) for proposal in proposals)
        ]
        return self._judge(clip, self._likeliest(clip.contrast, [*proposals, *likely], _BESIDE))

    def _escalated(self, clip: _Clip) -> list[Found]:
        """The best under any change: one kind after another, until one is beyond doubt."""
        sparse = self._sparse(clip.strong)
        best: list[Found] = []
        for stage in ESCALATION:
            found = self._judge(clip, self._changed(clip, sparse, stage), escalated=True)
            best = max(best, found, key=_margin)
            if self._is_beyond_doubt(clip, best, escalated=True):
                break
        return best

    def _changed(self, clip: _Clip, sparse: Peaks, stage: Sequence[Warp]) -> list[_Proposal]:
        """What few peaks propose under many warps, those that sketches find likeliest."""
        variants, query = self._warped(sparse, stage), self._query
        if clip.contrast is None:
            return self._propose(variants, _WARPED_INSIDE, query.warped_proposals)
        proposals = self._propose(variants, _WARPED_INSIDE, query.warped_places)
        return self._likeliest(clip.contrast, proposals, (0.0,))

    def _likeliest(
        self, contrast: Floats, proposals: Sequence[_Proposal], beside: Sequence[float]
    ) -> list[_Proposal]:
        """Those that the clip's sketches and their votes make likeliest, best first.

        beside: frames from each place to those that are looked at; see `Sketchbook.likeness`
        """
        places = [Likely(each.track_id, each.offset, each.warp) for each in proposals]
        likeness = self._sketchbook.likeness(contrast, places, beside)
        scores = [
            matching.combined_score(0.0, proposal.excess, likeness=like)
            for proposal, like in zip(proposals, likeness, strict=True)
        ]
        order = np.argsort(-np.array(scores), kind="stable")
        return [
            replace(proposals[i], likeness=float(likeness[i]))
            for i in order[: self._query.likeliest]
        ]

    def _sparse(self, clip: Peaks) -> Peaks:
        """The few peaks that vote under every warp: the strongest low ones of the clip's middle."""
        few = limit_density(clip, self._query.warped_peaks_per_s, self._params)
        half = self._query.warped_s / self._params.hop_s / 2
        middle = float(few.frames[-1]) / 2 if len(few) else 0.0
        kept = (few.bins <= self._query.warped_max_bin) & (np.abs(few.frames - middle) <= half)
        return few.take(kept)

    def _quick(self, clip: Peaks) -> _Variant:
        few = limit_density(clip, self._query.quick_peaks_per_s, self._params)
        fan_out = self._query.quick_fan_out
        marks = [make_landmarks(few, self._params, fan_out, phase) for phase in self._query.phases]
        return _Variant(UNCHANGED, marks)

    def _voted(self, clip: _Clip, query: QueryParams) -> list[_Proposal]:
        """Where all landmarks of the unchanged clip lie."""
        marks = shifted_landmarks(clip.strong, self._params, query, query.fan_out)
        return self._propose([_Variant(UNCHANGED, marks)], _INSIDE, query.proposals)

    def _warped(self, clip: Peaks, stage: Sequence[Warp]) -> list[_Variant]:
        made = warped_landmarks(clip, stage, self._params, self._query.warped_fan_out)
        return [_Variant(warp, [marks]) for warp, marks in zip(stage, made, strict=True)]

    def _propose(
        self,
        variants: Sequence[_Variant],
        inside: Sequence[float],
        most: int,
        postings: int = MAX_POSTINGS,
    ) -> list[_Proposal]:
        """The tracks with the most votes above chance over all variants; one look-up for all."""
        question = matching.build_query([variant.landmarks for variant in variants])
        found = self._index.lookup(self._connection, question.hashes, postings)
        keys = matching.vote_keys(question, found.query, found.position)
        length = max(int(mark.frames.max(initial=0)) for v in variants for mark in v.landmarks)
        insides = [round(part * length) for part in inside]
        count = _PLACES if len(variants) == 1 else _WARPED_PLACES
        places = [
            self._places(number, matching.count_votes(keys, number, count), frames)
            for number in range(len(variants))
            for frames in insides
        ]
        return _most_votes(places, [variant.warp for variant in variants], most)

    def _places(self, variant: int, votes: Votes, inside: int) -> _Places:
        """The best places of each track that lies there so many frames into the clip."""
        track_ids, frames = self._index.locate(votes.position + inside)
        kept = matching.best_per_track(track_ids, frames, DELETED_TRACK)
        track_ids, frames = track_ids[kept], frames[kept]
        excess = matching.vote_excess(votes.votes[kept], track_ids)
        return _Places(track_ids, frames - inside, excess, np.full(len(kept), variant))

    def _judge(
        self, clip: _Clip, proposals: Sequence[_Proposal], *, escalated: bool = False
    ) -> list[Found]:
        """Proposals weighed against the stored peaks, the best of each track, best first."""
        sketched = clip.contrast is not None
        chance = self._chance(clip.length_s, escalated=escalated, sketched=sketched)
        best: dict[int, Found] = {}
        aligned = self._aligned(clip, proposals)
        aligned = aligned[: self._query.warped_finalists if escalated else None]
        for found in self._likened(clip, [self._weigh(clip, *each, chance) for each in aligned]):
            before = best.get(found.track_id)
            if before is None or found.score > before.score:
                best[found.track_id] = found
        return sorted(best.values(), key=lambda found: -found.score)

    def _chance(self, clip_s: float, *, escalated: bool, sketched: bool) -> float:
        return matching.null_score(
            clip_s,
            self._library_s,
            self._params.peaks_per_s,
            escalated=escalated,
            sketched=sketched,
        )

    def _aligned(
        self, clip: _Clip, proposals: Sequence[_Proposal]
    ) -> list[tuple[_Proposal, Alignment]]:
        """The proposals and how they align, best first."""
        self._load({proposal.track_id for proposal in proposals})
        laid: dict[tuple[int, Warp], AlignmentCurve] = {}
        rated: list[tuple[float, _Proposal, Alignment]] = []
        for proposal in proposals:
            key = proposal.track_id, proposal.warp
            if key not in laid:
                track = self._tracks[proposal.track_id]
                laid[key] = AlignmentCurve(unwarp(clip.strong, proposal.warp), track)
            alignment = laid[key].near(proposal.offset)
            score = matching.combined_score(
                alignment.score, proposal.excess, likeness=proposal.likeness
            )
            rated.append((score, proposal, alignment))
        rated.sort(key=lambda each: -each[0])
        return [(proposal, alignment) for _, proposal, alignment in rated]

    def _weigh(
        self, clip: _Clip, proposal: _Proposal, alignment: Alignment, chance: float
    ) -> Found:
        """A proposal and how well it fits; tempo and pitch of the grid are made exact first."""
        track = self._tracks[proposal.track_id]
        close = closeness(unwarp(clip.every, proposal.warp), track, alignment.offset)
        alignment = replace(alignment, offset=close.offset)
        found = Found(
            track_id=proposal.track_id,
            warp=proposal.warp,
            alignment=alignment,
            closeness=close,
            excess=proposal.excess,
            chance=chance,
        )
        return found if proposal.warp == UNCHANGED else self._made_exact(clip, found)

    def _likened(self, clip: _Clip, weighed: Sequence[Found]) -> list[Found]:
        """With the likeness of the clip's sketches, to some frames beside what peaks align."""
        if clip.contrast is None:
            return list(weighed)
        places = [Likely(each.track_id, each.alignment.offset, each.warp) for each in weighed]
        likeness = self._sketchbook.likeness(clip.contrast, places, _BESIDE)
        pairs = zip(weighed, likeness, strict=True)
        return [replace(found, likeness=float(like)) for found, like in pairs]

    def _made_exact(self, clip: _Clip, found: Found) -> Found:
        """With the warp of the line through what coincides, where that fits better."""
        track = self._tracks[found.track_id]
        warp = matching.refine_warp(clip.strong, track, found.warp, found.alignment.offset)
        if warp == found.warp:
            return found
        finer = self._laid(clip, found, warp, found.alignment.offset)
        return max(found, finer, key=lambda each: each.score)

    def _laid(self, clip: _Clip, found: Found, warp: Warp, offset: float) -> Found:
        """The same recording under another warp."""
        track = self._tracks[found.track_id]
        alignment = matching.align(unwarp(clip.strong, warp), track, offset)
        close = closeness(unwarp(clip.every, warp), track, alignment.offset)
        return replace(
            found,
            warp=warp,
            alignment=replace(alignment, offset=close.offset),
            closeness=close,
            likeness=0.0,
        )

    def _retuned(self, clip: _Clip, found: Found) -> Found:
        """At the tempo that fits best, where only a part of the clip fits.

        Landmarks are short: those of a few seconds agree at a tempo that is far off, and the
        rest of the clip runs away from its recording.
        """
        if found.closeness.share > self._query.fits:
            return found
        track, here = self._tracks[found.track_id], found.alignment.offset
        warp, offset = matching.refit_tempo(clip.strong, track, found.warp, here, TEMPOS)
        exact = self._made_exact(clip, self._laid(clip, found, warp, offset))
        (other,) = self._likened(clip, [exact])
        return other if other.score > found.score + self._query.tempo_gain else found

    def _load(self, track_ids: set[int]) -> None:
        """Has the stored peaks of tracks at hand, sorted by bin, as `matching` takes them."""
        missing = track_ids - self._tracks.keys()
        if missing:
            stored = constellations.get_many(self._connection, missing)
            for track_id in missing:
                self._tracks[track_id] = sort_by_bin(
                    decode_peaks(track_id, stored.get(track_id, b""))
                )


def _are_one(place: Likely, proposal: _Proposal) -> bool:
    """Whether landmarks propose what sketches do."""
    same = place.track_id == proposal.track_id
    return same and abs(place.offset - proposal.offset) <= _ONE_FRAMES


def _margin(found: Sequence[Found]) -> float:
    """By how much the best of them stands above chance, in points."""
    return found[0].score - found[0].chance if found else -np.inf


def _certainty(found: Sequence[Found]) -> float:
    """How certain the best of them is."""
    return found[0].confidence if found else 0.0


def _most_votes(places: Sequence[_Places], warps: Sequence[Warp], most: int) -> list[_Proposal]:
    """The proposals with the most votes above chance, each once."""
    track_ids, offsets, excess, variants = (
        np.concatenate([getattr(each, name) for each in places]) for name in _Places.__slots__
    )
    found: dict[tuple[int, int, int], _Proposal] = {}
    for i in np.argsort(-excess, kind="stable"):
        if len(found) == most:
            break
        key = int(track_ids[i]), int(offsets[i]), int(variants[i])
        proposal = _Proposal(key[0], float(key[1]), float(excess[i]), warps[key[2]])
        found.setdefault(key, proposal)
    return list(found.values())
