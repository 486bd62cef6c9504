"""Identifies the recordings in a clip, with their places in seconds.

The path of a clip, top to bottom:

1. `fingerprinter.audio` decodes it, block by block.
2. `peak_chunks` finds the peaks of each block.
3. `windows` cuts the clip into windows of 15 s. For a list of all recordings, `TrackList` does so
   and follows each recording that it finds.
4. `Identifier.identify` searches a window: quick look-up, full look-up, sketches, warps. It
   verifies all candidates against the stored peaks.
5. `Recognizer.answer` turns frames into seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from fingerprinter.audio import AudioReader
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import (
    BLOCK_FRAMES,
    LIVE_BLOCK_FRAMES,
    PeakChunk,
    peak_chunks,
)
from fingerprinter.core.fingerprint.warp import offset_in_seconds
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.library.identify.identifier import Identifier
from fingerprinter.library.identify.sketch_index import SketchIndex, StoredSketches
from fingerprinter.library.identify.windows import first_matches
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.tables import tracks
from fingerprinter.types import Match, Track, Version


@dataclass(frozen=True, slots=True)
class Recognition:
    """The recordings in a clip.

    Parameters
    ----------
    duration_s
        Length of the clip.
    matches
        The matches in the order of the clip.
    problem
        What of the clip could not be decoded; None when it is whole.
    alternatives
        Other recordings that the clip may be, the likeliest first, where these were asked for.
    stopped
        Whether Ctrl-C ended the clip early. What was found by then is listed.
    versions
        Other performances of the piece that the clip plays, the surest first, where these were
        asked for; None where none were looked for, because there is a match or because the clip
        is too short.
    """

    duration_s: float
    matches: list[Match]
    problem: str | None
    alternatives: list[Match] = field(default_factory=list)
    stopped: bool = False
    versions: list[Version] | None = None


OnMatch = Callable[[Match], None]


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Identifies clips in one snapshot of a library.

    Parameters
    ----------
    connection, index
        The snapshot: its tables, and its posting index.
    params
        The landmark parameters of the library.
    load_sketches
        Returns the sketches of the library. It is called when the first clip needs them.
    policy
        The values that decide answers.
    """

    connection: Connection
    index: PostingIndex
    params: LandmarkParams
    load_sketches: Callable[[], SketchIndex | StoredSketches]
    policy: SearchPolicy = DEFAULT_POLICY

    def identifier(self) -> Identifier:
        """Return the search of a window."""
        return Identifier(self.connection, self.index, self.params, self.policy, self.load_sketches)

    def answer(
        self,
        audio: AudioReader,
        min_confidence: float | None,
        *,
        all_matches: bool,
        alternatives: int = 0,
        on_match: OnMatch = lambda _: None,
    ) -> Recognition:
        """Return the best match of a clip, or every recording in it.

        Parameters
        ----------
        audio
            The clip. For the best match no more of it is read than is needed; the answer to a
            live one comes at once.
        min_confidence
            Matches of less confidence are left out; None: those below that of the policy.
        all_matches
            Whether every recording is wanted.
        alternatives
            How many other candidates for the best match are wanted.
        on_match
            Is called with each of all recordings when it has ended.
        """
        if min_confidence is None:
            min_confidence = self.policy.score.min_confidence
        block_s, block_frames = (1.0, LIVE_BLOCK_FRAMES) if audio.is_live else (10.0, BLOCK_FRAMES)
        blocks = audio.blocks(block_s)
        chunks = peak_chunks(blocks, self.params, self.policy.query.narrower, block_frames)
        search = self.identifier()
        if all_matches:
            found, stopped = self._list_matches(search, chunks, min_confidence, on_match)
        else:
            stopped = False
            found = first_matches(search, chunks, min_confidence, self.params, self.policy.query)
            found = found[: 1 + alternatives]
        known = tracks.get_many(self.connection, {match.track_id for match in found})
        if stopped or (audio.is_live and not all_matches):
            duration_s = audio.decoded_s  # the rest of a live clip need not come in
        elif next(blocks, None) is not None and audio.duration_s is not None:
            duration_s = audio.duration_s  # as declared, where not all had to be decoded
        else:
            deque(blocks, maxlen=0)
            duration_s = audio.decoded_s
        matches = [
            match_in_seconds(known[match.track_id], match, duration_s, self.params)
            for match in found
            if match.track_id in known
        ]
        listed = len(matches) if all_matches else 1
        return Recognition(duration_s, matches[:listed], audio.problem, matches[listed:], stopped)

    def _list_matches(
        self,
        search: Identifier,
        chunks: Iterator[PeakChunk],
        min_confidence: float,
        on_match: OnMatch,
    ) -> tuple[list[ScoredMatch], bool]:
        """Return all recordings in a clip in its order, and whether Ctrl-C ended it early.

        Of copies that play at once only the best is listed. A recording is passed to
        `on_match` once it has ended and no copy of it still plays.
        """
        from fingerprinter.library.duplicates.same_recording import CopyDetector
        from fingerprinter.library.identify.track_list import TrackList, merge_copies

        track_list = TrackList(search, min_confidence, self.params, self.policy)
        are_copies = CopyDetector(self.connection, self.params, self.policy).are_copies
        found, told, stopped = list[ScoredMatch](), list[ScoredMatch](), False

        def tell() -> None:
            known = tracks.get_many(self.connection, {match.track_id for match in found})
            for match in merge_copies(found, are_copies, self.policy.track_list):
                waits = any(are_copies(match.track_id, other) for other in track_list.playing)
                if match not in told and match.track_id in known and not waits:
                    told.append(match)
                    on_match(match_in_seconds(known[match.track_id], match, np.inf, self.params))

        try:
            for chunk in chunks:
                ended = track_list.push(chunk)
                found += ended
                if ended:
                    tell()
        except KeyboardInterrupt:
            stopped = True
            if self.connection.invalidated:  # it came during a query; what follows asks anew
                self.connection.rollback()
        found += track_list.close()
        tell()
        return merge_copies(found, are_copies, self.policy.track_list), stopped


def match_in_seconds(
    track: Track, match: ScoredMatch, duration_s: float, params: LandmarkParams
) -> Match:
    """Turn the frames of a match in a clip of some length into seconds."""
    hop_s, tempo = params.hop_s, match.warp.tempo
    offset_s = offset_in_seconds(match.offset, tempo, params)
    last_frame_s = match.end * hop_s + params.n_fft / params.sr - hop_s
    track_end_s = (track.duration_s - offset_s) / tempo
    return Match(
        track=track,
        score=round(match.score, 2),
        confidence=match.confidence,
        offset_s=offset_s,
        clip_start_s=max(0.0, match.start * hop_s, -offset_s / tempo),
        clip_end_s=min(duration_s, last_frame_s, track_end_s),
        tempo=tempo,
        pitch=match.warp.pitch,
    )
