"""Searches a library for the recordings in some seconds of a clip, given its peaks.

The search escalates, and each step ends it when its best match is beyond doubt:

1. the quick look-up of few landmarks of the unchanged clip;
2. the full look-up of all its landmarks, together with its sketches;
3. the look-up of landmarks under the usual changes of tempo, speed and pitch, one kind after
   another (`fingerprinter.core.fingerprint.warp`);
4. the look-up of sketches under any tempo with any pitch.

Each step proposes `Candidate` places and verifies them against the stored peaks, which gives
`ScoredMatch` values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.landmarks import (
    make_landmarks,
    shifted_landmarks,
    warped_landmarks,
)
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import limit_density, sort_by_bin, sort_by_frame
from fingerprinter.core.fingerprint.sketch import effective_patterns
from fingerprinter.core.fingerprint.sketch_lists import Meeting
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp, unwarp
from fingerprinter.core.match import matching
from fingerprinter.core.match.candidates import Candidate, ScoredMatch
from fingerprinter.core.match.closeness import closeness
from fingerprinter.core.match.matching import Alignment, AlignmentCurve, Reach
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.core.numeric.median import median
from fingerprinter.library.base.stored_peaks import decode_peaks, load_peaks
from fingerprinter.library.identify.jit import timed_search
from fingerprinter.library.identify.sketch_index import SketchIndex, StoredSketches
from fingerprinter.store.index.lookup import DELETED_TRACK, PostingIndex
from fingerprinter.store.tables import constellations
from fingerprinter.types import Landmarks, Peaks


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """A clip as the search sees it: peaks, length and spectrum.

    Parameters
    ----------
    peaks
        Peaks of grade 0 that vote and align, as dense as `QueryParams.peaks_per_s`.
    all_peaks
        All peaks, of every grade.
    length_s
        Seconds from the first to the last peak.
    end
        Frame at which the clip ends, perhaps in silence behind its last peak.
    patterns
        How many patterns it is made of, see
        `fingerprinter.core.fingerprint.sketch.effective_patterns`; None where that is not known.
    spectrum
        To compare sketches; None where they are not compared.
    """

    peaks: Peaks
    all_peaks: Peaks
    length_s: float
    end: float = 0.0
    patterns: float | None = None
    spectrum: ClipSpectrum | None = None


class Identifier:
    """Searches one snapshot of a library.

    Parameters
    ----------
    connection, index
        The snapshot: its tables, and its posting index.
    params
        The landmark parameters of the library.
    policy
        The values that decide answers.
    load_sketches
        Returns the sketches of the library. It is called when the first clip needs them.
    """

    def __init__(
        self,
        connection: Connection,
        index: PostingIndex,
        params: LandmarkParams,
        policy: SearchPolicy = DEFAULT_POLICY,
        load_sketches: Callable[[], SketchIndex | StoredSketches] = SketchIndex.empty,
    ) -> None:
        self._connection, self._index = connection, index
        self._params, self._policy, self._load_sketches = params, policy, load_sketches
        self._library_s = index.frame_count * params.hop_s
        self._tracks: dict[int, Peaks] = {}

    @cached_property
    def _sketches(self) -> SketchIndex | StoredSketches:
        return self._load_sketches()

    @timed_search()
    def identify(
        self, peaks: Peaks, min_confidence: float, spectrum: ClipSpectrum | None = None
    ) -> list[ScoredMatch]:
        """Return the recordings in a clip of some seconds, the most certain first.

        Parameters
        ----------
        peaks
            All peaks of the clip, of every grade, sorted by frame.
        min_confidence
            Matches of less confidence are left out.
        spectrum
            The same seconds, to compare sketches; None where peaks of a known recording were taken
            out, since the spectrum still holds its sound.
        """
        self._tracks = {}  # bounds the memory: the peaks of tracks are kept for one clip
        strongest = peaks.take(peaks.grade == 0)
        length_s = float(np.ptp(peaks.frames)) * self._params.hop_s if len(peaks) else 0.0
        dense = limit_density(strongest, self._policy.query.peaks_per_s, self._params)
        end = float(len(spectrum)) if spectrum is not None else 0.0
        patterns = effective_patterns(spectrum.contrast) if spectrum is not None else None
        clip = ClipFeatures(dense, peaks, length_s, end, patterns)
        matches = self.quick_search(clip)
        if not self._is_decisive(clip, matches):
            if spectrum is not None and self._sketches:
                clip = replace(clip, spectrum=spectrum)
            matches = self.full_search(clip)
            if not self._is_decisive(clip, matches):
                matches = max(matches, self._escalate(clip), key=_margin)
        return [
            match if match.share > self._policy.query.whole_share else self.fit_tempo(clip, match)
            for match in matches
            if match.confidence >= min_confidence and not self.plays_backwards(clip, match)
        ]

    def plays_backwards(self, clip: ClipFeatures, match: ScoredMatch) -> bool:
        """Whether a clip fits the recording of a match far better when it is turned around.

        Held notes and chords of a clip that plays backwards coincide with the recording too. In a
        loop any offset fits as well as the right one, so the alignment alone does not tell.
        """
        last = clip.all_peaks.frames.max(initial=np.float32(0))
        track, policy = self._tracks[match.track_id], self._policy
        mirrored = unwarp(_turned_around(clip.peaks, last), match.warp)
        best = AlignmentCurve(mirrored, track, policy.alignment).best()
        if best.score <= match.alignment + policy.alignment.backwards_nats:
            return False
        all_mirrored = unwarp(_turned_around(clip.all_peaks, last), match.warp)
        close = closeness(all_mirrored, track, best.offset, match.warp, policy.closeness)
        return close.score > match.closeness - policy.alignment.backwards_closeness

    def quick_search(self, clip: ClipFeatures) -> list[ScoredMatch]:
        """Look up few landmarks, which decides most clips.

        More than one candidate is verified. Two pieces may share a passage, and the closer one is
        right.
        """
        query = self._policy.query
        if not query.quick_proposals:
            return []
        few = limit_density(clip.peaks, query.quick_peaks_per_s, self._params)
        landmarks = [
            make_landmarks(few, self._params, query.quick_fan_out, phase) for phase in query.phases
        ]
        limit = query.quick_proposals
        found = self._look_up([UNCHANGED], [landmarks], limit, query.quick_postings)
        return self._verify(clip, found)

    def full_search(self, clip: ClipFeatures) -> list[ScoredMatch]:
        """Look up all landmarks of the unchanged clip, and compare its sketches."""
        query, near = self._policy.query, self._policy.sketch.same_place_frames
        limit, sketched = query.stored_proposals, query.listed_proposals
        max_postings = self._policy.votes.max_postings
        if clip.spectrum is None:
            limit = query.proposals
        elif isinstance(self._sketches, SketchIndex):  # in place of the detuned landmarks
            limit = sketched = query.sketched_proposals
            query = replace(query, detunings=(0.0,))
        elif self._is_listed(clip):
            limit, query = query.listed_proposals, replace(query, detunings=(0.0,))
            max_postings = self._policy.votes.listed_postings
        landmarks = shifted_landmarks(clip.peaks, self._params, query, query.fan_out)
        found = self._look_up([UNCHANGED], [landmarks], limit, max_postings)
        if clip.spectrum is not None:
            found += [
                place
                for place in self._sketches.nearest(
                    clip.spectrum.contrast, sketched, self._policy.sketch
                )
                if not any(
                    place.track_id == other.track_id and abs(place.offset - other.offset) <= near
                    for other in found
                )
            ]
            found = self._likeliest(clip.spectrum, found, self._policy.sketch.lags)
        return self._verify(clip, found)

    def _is_listed(self, clip: ClipFeatures) -> bool:
        """Whether lists of sketches propose the places of a clip.

        That is so among more tracks than fit in memory. There a look-up under dozens of warps
        reads too few of the postings of each to find what the lists do not.
        """
        sketches = self._sketches
        return (
            clip.spectrum is not None and isinstance(sketches, StoredSketches) and sketches.listed
        )

    def _escalate(self, clip: ClipFeatures) -> list[ScoredMatch]:
        """Search under one kind of change after another, until a match is beyond doubt."""
        policy, low = self._policy, self._low_peaks(clip)
        usual = () if self._is_listed(clip) else policy.escalation
        searches: list[tuple[Reach, Callable[[], list[ScoredMatch]]]] = [
            ("warped", partial(self.search_under, clip, low, warps)) for warps in usual
        ]
        if clip.spectrum is not None:
            searches.append(("wide", partial(self.warped_search, clip, clip.spectrum)))
        best: list[ScoredMatch] = []
        for reach, search in searches:
            best = max(best, search(), key=_margin)
            if self._is_decisive(clip, best, reach):
                break
        return best

    def _low_peaks(self, clip: ClipFeatures) -> Peaks:
        """Return few low peaks of a clip, around its median peak."""
        query = self._policy.query
        few = limit_density(clip.peaks, query.warped_peaks_per_s, self._params)
        half = query.warped_s / self._params.hop_s / 2
        near = np.abs(few.frames - _median_frame(few)) <= half
        return few.take(near & (few.bins <= query.warped_max_bin))

    def search_under(
        self, clip: ClipFeatures, low: Peaks, warps: Sequence[Warp]
    ) -> list[ScoredMatch]:
        """Look up few low peaks of a clip under each of many warps."""
        query = self._policy.query
        made = warped_landmarks(low, warps, self._params, query.warped_fan_out)
        limit = query.warped_proposals if clip.spectrum is None else query.warped_places
        landmarks = [[marks] for marks in made]
        found = self._look_up(warps, landmarks, limit, self._policy.votes.max_postings)
        if clip.spectrum is not None:
            found = self._likeliest(clip.spectrum, found, (0.0,))
        return self._verify(clip, found, "warped")

    def warped_search(self, clip: ClipFeatures, spectrum: ClipSpectrum) -> list[ScoredMatch]:
        """Look up the sketches of a clip under any tempo with any pitch."""
        sketch = self._policy.sketch
        middle = _median_frame(clip.peaks)
        grid = self._policy.warp_grid
        meetings = self._sketches.nearest_warped(spectrum, middle, grid, sketch)
        found = self._tuned(spectrum, meetings) if meetings else []
        likely = self._likeliest(spectrum, found, (0.0,))
        self._load(likely)
        tuned = [self._at_tuned_pitch(clip, each) for each in likely]
        return self._verify(clip, tuned, "wide")

    def _at_tuned_pitch(self, clip: ClipFeatures, candidate: Candidate) -> Candidate:
        """Return a place at the pitch at which most peaks coincide."""
        track, policy = self._tracks[candidate.track_id], self._policy.alignment
        place = candidate.warp, candidate.offset
        return replace(candidate, warp=matching.refine_pitch(clip.peaks, track, *place, policy))

    def _tuned(self, spectrum: ClipSpectrum, meetings: Sequence[Meeting]) -> list[Candidate]:
        """Return places at the tempo, and then at the pitch, near theirs that are likeliest."""
        sketch = self._policy.sketch
        tempos = np.exp(sketch.tempo_step * np.arange(-sketch.tempo_steps, sketch.tempo_steps + 1))
        pitches = np.exp(sketch.pitch_step * np.arange(-sketch.pitch_steps, sketch.pitch_steps + 1))
        warps = [each.warp for each in meetings]
        for changes in ([(tempo, 1.0) for tempo in tempos], [(1.0, pitch) for pitch in pitches]):
            tried = [
                Warp(warp.tempo * float(tempo), warp.pitch * float(pitch))
                for warp in warps
                for tempo, pitch in changes
            ]
            of_meeting = [each for each in meetings for _ in changes]
            places = list(map(_candidate_at, of_meeting, tried))
            likeness = self._sketches.likeness(spectrum, places, (0.0,), sketch)
            best = likeness.reshape(len(meetings), -1).argmax(axis=1)
            warps = [tried[i * len(changes) + which] for i, which in enumerate(best.tolist())]
        return list(map(_candidate_at, meetings, warps))

    def _look_up(
        self,
        warps: Sequence[Warp],
        landmarks: Sequence[Sequence[Landmarks]],
        limit: int,
        max_postings: int,
    ) -> list[Candidate]:
        """Return the places with the most votes above chance, over all variants of a clip.

        A clip may begin before its track or end after it. So a place is a candidate for every
        track that lies at one of some shares of the clip.

        warps, landmarks: of each variant, the landmarks at several phases
        """
        policy = self._policy.votes
        query = matching.build_query(landmarks)
        postings = self._index.lookup(self._connection, query.hashes, max_postings)
        keys = matching.vote_keys(query, postings.query, postings.position)
        length = max(int(m.frames.max(initial=0)) for phases in landmarks for m in phases)
        unwarped = max(policy.places, policy.places_per_candidate * limit)
        most = unwarped if len(warps) == 1 else policy.warped_places
        voted = [matching.count_votes(keys, range(i, i + 1), most) for i in range(len(warps))]
        counts = [len(votes.votes) for votes in voted]
        starts, variants = np.cumsum([0, *counts]), np.repeat(np.arange(len(voted)), counts)
        positions = np.concatenate([votes.position for votes in voted])
        numbers = np.concatenate([votes.votes for votes in voted])
        found = []
        for share in policy.inside:
            into = round(share * length)  # frames from the clip's start
            track_ids, frames = self._index.locate(positions + into)
            kept, excess = matching.rate_places(
                track_ids, frames, numbers, starts, DELETED_TRACK, policy
            )
            offsets = frames[kept] - into
            found.append((track_ids[kept], offsets, excess, variants[kept], positions[kept]))
        track_ids, offsets, excess, variants, positions = map(
            np.concatenate, zip(*found, strict=True)
        )
        best: dict[tuple[int, int, int], Candidate] = {}
        places = set[tuple[int, int]]()
        for i in np.argsort(-excess, kind="stable"):
            places.add((int(positions[i]), int(variants[i])))
            if len(places) > limit:
                break
            key = int(track_ids[i]), int(offsets[i]), int(variants[i])
            candidate = Candidate(key[0], float(key[1]), warps[key[2]], float(excess[i]))
            best.setdefault(key, candidate)
        return list(best.values())

    def _likeliest(
        self, spectrum: ClipSpectrum, candidates: Sequence[Candidate], lags: Sequence[float]
    ) -> list[Candidate]:
        """Return the candidates that sketches and votes make likeliest, the best first.

        lags: frames from each candidate to the places that are compared
        """
        likeness = self._sketches.likeness(spectrum, candidates, lags, self._policy.sketch)
        scores = [
            matching.combined_score(
                0.0, candidate.vote_excess, likeness=like, policy=self._policy.score
            )
            for candidate, like in zip(candidates, likeness, strict=True)
        ]
        order = np.argsort(-np.array(scores), kind="stable")
        return [
            replace(candidates[i], likeness=float(likeness[i]))
            for i in order[: self._policy.query.aligned_places]
        ]

    def _verify(
        self, clip: ClipFeatures, candidates: Sequence[Candidate], reach: Reach = "unchanged"
    ) -> list[ScoredMatch]:
        """Weigh candidates against the stored peaks; the best of each track, best first."""
        aligned = self._align(clip, candidates)
        if reach != "unchanged":
            aligned = aligned[: self._policy.query.warped_finalists]
        matches = []
        for candidate, alignment in aligned:
            sketched, tempo = clip.spectrum is not None, candidate.warp.tempo
            null_score = self._null_score(clip, reach, tempo, sketched=sketched)
            match = self._weigh(clip, candidate, alignment, null_score)
            matches.append(match if match.warp == UNCHANGED else self._refine(clip, match))
        best: dict[int, ScoredMatch] = {}
        for match in self._with_likeness(clip, matches):
            other = best.get(match.track_id)
            if other is None or (
                match.score - match.unheard_cost > other.score - other.unheard_cost
            ):
                best[match.track_id] = match
        return sorted(best.values(), key=lambda match: match.unheard_cost - match.score)

    def _load(self, candidates: Sequence[Candidate]) -> None:
        """Read the stored peaks of the tracks of candidates."""
        missing = {candidate.track_id for candidate in candidates} - self._tracks.keys()
        stored = constellations.get_many(self._connection, missing) if missing else {}
        for track_id in missing:
            peaks = decode_peaks(track_id, stored.get(track_id, b""))
            self._tracks[track_id] = sort_by_bin(peaks)

    def _align(
        self, clip: ClipFeatures, candidates: Sequence[Candidate]
    ) -> list[tuple[Candidate, Alignment]]:
        """Lay the clip's peaks over those of each candidate's track; the best first."""
        self._load(candidates)
        curves: dict[tuple[int, Warp], AlignmentCurve] = {}
        rated: list[tuple[float, Candidate, Alignment]] = []
        for candidate in candidates:
            key = candidate.track_id, candidate.warp
            if key not in curves:
                unwarped = unwarp(clip.peaks, candidate.warp)
                track = self._tracks[candidate.track_id]
                curves[key] = AlignmentCurve(unwarped, track, self._policy.alignment)
            alignment = curves[key].near(candidate.offset)
            policy = self._policy.score
            by_peaks = matching.combined_score(
                alignment.score, candidate.vote_excess, policy=policy
            )
            likeness = matching.supported_likeness(
                candidate.likeness, alignment.score, by_peaks, policy
            )
            score = by_peaks + policy.likeness_weight * likeness
            rated.append((score, candidate, alignment))
        rated.sort(key=lambda each: -each[0])
        return [(candidate, alignment) for _, candidate, alignment in rated]

    def _weigh(
        self, clip: ClipFeatures, candidate: Candidate, alignment: Alignment, null_score: float
    ) -> ScoredMatch:
        """Score an aligned candidate peak by peak, without the likeness of sketches."""
        track, unwarped = self._tracks[candidate.track_id], unwarp(clip.all_peaks, candidate.warp)
        close = closeness(unwarped, track, alignment.offset, candidate.warp, self._policy.closeness)
        excess, policy = candidate.vote_excess, self._policy.score
        score = matching.combined_score(alignment.score, excess, close.score, policy=policy)
        return ScoredMatch(
            candidate.track_id,
            close.offset,
            candidate.warp,
            excess,
            alignment=alignment.score,
            closeness=close.score,
            share=close.share,
            score=score,
            null_score=null_score,
            confidence=matching.confidence(score, null_score, policy),
            unheard_cost=self._unheard_cost(clip, track, close.offset, candidate.warp.tempo),
        )

    def _unheard_cost(self, clip: ClipFeatures, track: Peaks, offset: float, tempo: float) -> float:
        """Return the cost of a place whose recording continues where the clip is silent.

        The end of a recording and a repeat in its middle may be alike. A clip that falls silent
        comes from the end. The cost orders places, and takes nothing from their confidence.
        """
        policy = self._policy.closeness
        last = float(clip.all_peaks.frames.max(initial=np.float32(0)))
        frames = (track.frames - offset) / tempo
        unheard = (frames > last + policy.pause_frames) & (frames < clip.end)
        return policy.unheard_cost * int(np.count_nonzero(unheard))

    def _with_likeness(
        self, clip: ClipFeatures, matches: Sequence[ScoredMatch]
    ) -> Sequence[ScoredMatch]:
        """Add the likeness of the clip's sketches to the scores of matches without it."""
        if clip.spectrum is None:
            return matches
        policy, sketch = self._policy.score, self._policy.sketch
        likeness = self._sketches.likeness(clip.spectrum, matches, sketch.lags, sketch)
        scored = []
        for match, alike in zip(matches, likeness.tolist(), strict=True):
            like = matching.supported_likeness(alike, match.alignment, match.score, policy)
            score = match.score + policy.likeness_weight * like
            certain = matching.confidence(score, match.null_score, policy)
            scored.append(replace(match, likeness=like, score=score, confidence=certain))
        return scored

    def _refine(self, clip: ClipFeatures, match: ScoredMatch) -> ScoredMatch:
        """Replace tempo and pitch of the grid by those of the fitted line, if that fits better."""
        track = self._tracks[match.track_id]
        warp = matching.refine_warp(
            clip.peaks, track, match.warp, match.offset, self._policy.alignment
        )
        if warp == match.warp:
            return match
        finer = self._weigh_under(clip, match, warp, match.offset)
        return max(match, finer, key=lambda each: each.score)

    def _weigh_under(
        self, clip: ClipFeatures, match: ScoredMatch, warp: Warp, offset: float
    ) -> ScoredMatch:
        """Weigh the recording of a match under another warp."""
        unwarped, track = unwarp(clip.peaks, warp), self._tracks[match.track_id]
        alignment = matching.align(unwarped, track, offset, self._policy.alignment)
        candidate = Candidate(match.track_id, offset, warp, match.vote_excess)
        return self._weigh(clip, candidate, alignment, match.null_score)

    def fit_tempo(self, clip: ClipFeatures, match: ScoredMatch) -> ScoredMatch:
        """Return a match at the tempo that fits best, where only a part of the clip fits.

        Landmarks are short. Those of a few seconds agree at a tempo that is far off, and then the
        rest of the clip does not fit its recording. With so many tempos chance fits better too, so
        the confidence only grows by what exceeds the null score of far changes.
        """
        track, tempos = self._tracks[match.track_id], self._policy.tempos
        warp, offset = matching.refit_tempo(
            clip.peaks, track, match.warp, match.offset, tempos, self._policy.alignment
        )
        refitted = self._refine(clip, self._weigh_under(clip, match, warp, offset))
        (other,) = self._with_likeness(clip, [refitted])
        if other.score <= match.score + self._policy.query.tempo_gain:
            return match
        sketched = clip.spectrum is not None
        null_score = self._null_score(clip, "wide", other.warp.tempo, sketched=sketched)
        certain = matching.confidence(other.score, null_score, self._policy.score)
        return replace(other, confidence=max(match.confidence, certain))

    def _is_decisive(
        self, clip: ClipFeatures, matches: Sequence[ScoredMatch], reach: Reach = "unchanged"
    ) -> bool:
        """Whether the best match is certain by its peaks alone.

        Sketches are not counted, because those of drums match at any pitch.
        """
        if not matches:
            return False
        by_peaks = matches[0].score - matches[0].likeness
        null_score = self._null_score(clip, reach, matches[0].warp.tempo, sketched=False)
        certain = matching.confidence(by_peaks, null_score, self._policy.score)
        return certain >= self._policy.query.decisive

    def _null_score(
        self, clip: ClipFeatures, reach: Reach, tempo: float, *, sketched: bool
    ) -> float:
        """Return the null score of a clip at a tempo; a slow one covers less of a recording."""
        counts_bins = clip.patterns is None and reach != "unchanged"
        return matching.null_score(
            clip.length_s * min(tempo, 1.0),
            self._library_s,
            self._params.peaks_per_s,
            reach=reach,
            sketched=sketched,
            bins=matching.effective_bins(clip.peaks.bins) if counts_bins else np.inf,
            patterns=clip.patterns,
            policy=self._policy.score,
        )

    def track_peaks(self, track_id: int) -> Peaks:
        """Return all stored peaks of a track, sorted by frame."""
        return load_peaks(self._connection, track_id)


def _candidate_at(meeting: Meeting, warp: Warp) -> Candidate:
    """Return the place at which a frame of a clip meets that of a recording, under a warp."""
    offset = meeting.frame - meeting.clip_frame * warp.tempo
    return Candidate(meeting.number, offset, warp)


def _median_frame(peaks: Peaks) -> float:
    """Return the frame of the median peak: the middle of what sounds, and not of the silence."""
    return float(median(peaks.frames)) if len(peaks) else 0.0


def _turned_around(peaks: Peaks, last: float) -> Peaks:
    """Return the peaks of a clip that ends at a frame as they are when it plays backwards."""
    return sort_by_frame(replace(peaks, frames=last - peaks.frames))


def _margin(matches: Sequence[ScoredMatch]) -> float:
    """Return by how many points the best match exceeds the null score."""
    return matches[0].score - matches[0].null_score if matches else -np.inf
