"""A clip that comes in -> the recordings in it, with their places in seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from fingerprinter.audio import AudioReader
from fingerprinter.audio.signal import Mono
from fingerprinter.core.fingerprint.params import DEFAULT_QUERY, LandmarkParams
from fingerprinter.core.fingerprint.peaks import PeakChunk, peak_chunks
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.library.base.stored_peaks import load_peaks
from fingerprinter.library.identify.identifier import Found, Identifier
from fingerprinter.library.identify.jit import timed_search
from fingerprinter.library.identify.sketch_index import SketchIndex
from fingerprinter.library.identify.windows import LocatedMatch, first_match
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.tables import tracks
from fingerprinter.types import Match, Peaks, Track


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was heard in a clip.

    problem: what of the clip could not be decoded; None when it is whole
    """

    duration_s: float
    matches: list[Match]
    problem: str | None


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Hears clips in one state of a library.

    sketchbook: its sketches, read when a clip needs them
    """

    connection: Connection
    index: PostingIndex
    params: LandmarkParams
    sketchbook: Callable[[], SketchIndex]

    def answer(self, audio: AudioReader, at_least: float, *, every: bool) -> Recognition:
        """The best match of a clip, or every recording in it; of `at_least` this confidence."""
        blocks = audio.blocks()
        stretches = peak_chunks(blocks, self.params, DEFAULT_QUERY.narrower)
        heard = self._heard(stretches, at_least, every)
        known = tracks.get_many(self.connection, {each.found.track_id for each in heard})
        duration_s = _length(audio, blocks)
        matches = [
            self._match(known[each.found.track_id], each, duration_s)
            for each in heard
            if each.found.track_id in known
        ]
        return Recognition(duration_s, matches, audio.problem)

    def _heard(
        self, stretches: Iterator[PeakChunk], at_least: float, every: bool
    ) -> list[LocatedMatch]:
        """What is heard in a clip while it comes in, in its order."""

        def identify(peaks: Peaks, contrast: Floats | None) -> Sequence[Found]:
            # a new one each time: it keeps the peaks of every track that it looked at
            identifier = Identifier(
                self.connection, self.index, self.params, DEFAULT_QUERY, self.sketchbook
            )
            with timed_search():
                return identifier.identify(peaks, at_least, every=False, contrast=contrast)

        if not every:
            first = first_match(identify, stretches, self.params, DEFAULT_QUERY)
            return [first] if first else []
        from fingerprinter.library.duplicates.same_recording import CopyDetector
        from fingerprinter.library.identify.track_list import all_matches, merge_copies

        stored = partial(load_peaks, self.connection)
        found = all_matches(identify, stored, stretches, self.params, DEFAULT_QUERY)
        return merge_copies(found, CopyDetector(self.connection, self.params).are_copies)

    def _match(self, track: Track, heard: LocatedMatch, duration_s: float) -> Match:
        found, course, hop_s = heard.found, heard.time_map, self.params.hop_s
        offset_s = course.offset * hop_s
        last_frame_s = heard.end * hop_s + self.params.n_fft / self.params.sr - hop_s
        ends_s = (track.duration_s - offset_s) / course.tempo
        return Match(
            track=track,
            score=round(found.score, 2),
            confidence=found.confidence,
            offset_s=offset_s,
            clip_start_s=max(0.0, heard.start * hop_s, -offset_s / course.tempo),
            clip_end_s=min(duration_s, last_frame_s, ends_s),
            tempo=course.tempo,
            pitch=course.pitch,
        )


def _length(audio: AudioReader, blocks: Iterator[Mono]) -> float:
    """Seconds of a clip; where not all of it was needed, as its container promises."""
    if next(blocks, None) is not None and audio.duration_s is not None:
        return audio.duration_s
    deque(blocks, maxlen=0)
    return audio.decoded_s
