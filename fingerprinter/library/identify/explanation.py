"""Explains a match: the peaks of the clip over the stored peaks of the recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.audio import AudioSource
from fingerprinter.audio.source import source_name
from fingerprinter.core.arrays import Mask
from fingerprinter.core.fingerprint.params import (
    DEFAULT,
    DEFAULT_QUERY,
    LandmarkParams,
    QueryParams,
)
from fingerprinter.core.fingerprint.peaks import sort_by_bin
from fingerprinter.core.fingerprint.warp import Warp, offset_in_frames, unwarp
from fingerprinter.core.match import matching
from fingerprinter.core.match.agreement import (
    OffsetVotes,
    Pairs,
    coinciding,
    offset_votes,
    shared_landmarks,
)
from fingerprinter.library.base.sources import track_source
from fingerprinter.library.identify.excerpt import (
    DEFAULT_S,
    Excerpt,
    make_excerpt,
    read_part,
    validate_part,
)
from fingerprinter.types import Match, Peaks, Track

Identify = Callable[[AudioSource], list[Match]]
LoadPeaks = Callable[[Track], Peaks]


@dataclass(frozen=True, slots=True)
class Agreement:
    """An excerpt of a clip, and the recording that was recognised in the clip.

    Parameters
    ----------
    match
        The match, with times from the start of the whole clip.
    offset_s, tempo
        Where the excerpt begins in the recording, and how fast it plays there.
    reference
        Stored peaks of the recording within the excerpt; offset, tempo and pitch are undone.
    in_clip, found
        (n,) and (m,), which kept peaks of the excerpt and which of the reference coincide.
    clip_pairs, reference_pairs
        The landmarks that both have.
    votes
        Votes for each offset in the recording.
    """

    match: Match
    offset_s: float
    tempo: float
    reference: Peaks
    in_clip: Mask
    found: Mask
    clip_pairs: Pairs
    reference_pairs: Pairs
    votes: OffsetVotes


@dataclass(frozen=True, slots=True)
class Explanation:
    """A part of a recording and, where it was recognised, why.

    Parameters
    ----------
    name
        Name of the file, as it was given.
    track
        The recording, where it is a track of the library.
    excerpt
        Spectrogram and peaks of the part.
    searched
        Whether the library was searched for it.
    agreement
        Agreement with the recording that was found; None if none was.
    """

    name: str
    track: Track | None
    excerpt: Excerpt
    searched: bool = False
    agreement: Agreement | None = None


def explain_alone(
    source: AudioSource | Track,
    start_s: float | None = None,
    end_s: float | None = None,
    params: LandmarkParams = DEFAULT,
) -> Explanation:
    """Show a part of a recording by itself; see `Library.explain`."""
    track = source if isinstance(source, Track) else None
    part = validate_part(start_s, end_s)
    peaks_per_s = params.peaks_per_s if track else DEFAULT_QUERY.peaks_per_s
    return _explain_part(source, part, peaks_per_s, params)


def explain_match(
    source: AudioSource | Track,
    start_s: float | None,
    end_s: float | None,
    params: LandmarkParams,
    identify: Identify,
    load_peaks: LoadPeaks,
) -> Explanation:
    """Show a part of a clip and why it is recognised; see `Library.explain`.

    Parameters
    ----------
    start_s, end_s
        The part. Default: the first 30 s that match.
    params
        The landmark parameters of the library.
    identify
        Returns the matches of a clip.
    load_peaks
        Returns all stored peaks of a track.
    """
    part = validate_part(start_s, end_s)
    audio = _audio_of(source)
    if start_s is None and end_s is None:
        match = next(iter(identify(audio)), None)
        if match is not None:
            part = match.clip_start_s, min(match.clip_end_s, match.clip_start_s + DEFAULT_S)
    else:
        match = next(iter(identify((read_part(audio, *part, params), params.sr))), None)
        if match is not None:  # its times are from the start of the part
            match = replace(
                match,
                offset_s=match.offset_s - part[0] * match.tempo,
                clip_start_s=match.clip_start_s + part[0],
                clip_end_s=match.clip_end_s + part[0],
            )
    shown = _explain_part(source, part, DEFAULT_QUERY.peaks_per_s, params)
    if match is None:
        return replace(shown, searched=True)
    agreement = agreement_of(match, shown.excerpt, load_peaks(match.track))
    return replace(shown, searched=True, agreement=agreement)


def _audio_of(source: AudioSource | Track) -> AudioSource:
    """Return what the audio of a source is read from."""
    if not isinstance(source, Track):
        return source
    return track_source(source)


def _explain_part(
    source: AudioSource | Track,
    part: tuple[float, float],
    peaks_per_s: float,
    params: LandmarkParams,
) -> Explanation:
    audio = _audio_of(source)
    excerpt = make_excerpt(read_part(audio, *part, params), part[0], peaks_per_s, params)
    return Explanation(source_name(audio), source if isinstance(source, Track) else None, excerpt)


def agreement_of(
    match: Match, excerpt: Excerpt, stored: Peaks, query: QueryParams = DEFAULT_QUERY
) -> Agreement:
    """Return what supports a match in an excerpt of its clip.

    Parameters
    ----------
    match
        The match, with times from the start of the whole clip.
    stored
        All peaks of the recording of the match, sorted by frame.
    query
        How landmarks of the clip are made.
    """
    params = excerpt.params
    warp, offset = _fit(match, excerpt, stored)
    clip = unwarp(excerpt.kept, warp)
    length = len(excerpt.log_mag) * warp.tempo
    covered = stored.take((stored.frames >= offset) & (stored.frames < offset + length))
    passage = replace(covered, frames=covered.frames + np.float32(-offset))
    in_clip, found = coinciding(clip, passage)
    clip_pairs, reference_pairs = shared_landmarks(clip, covered, offset, params, query)
    return Agreement(
        match=match,
        offset_s=offset * params.hop_s,
        tempo=warp.tempo,
        reference=unwarp(passage, Warp(1 / warp.tempo, 1 / warp.pitch)),
        in_clip=in_clip,
        found=found,
        clip_pairs=clip_pairs,
        reference_pairs=reference_pairs,
        votes=offset_votes(clip, stored, offset, params, query),
    )


def _fit(match: Match, excerpt: Excerpt, stored: Peaks) -> tuple[Warp, float]:
    """Return the (warp, offset in frames) of the excerpt; a drift within the clip is followed."""
    reference = sort_by_bin(stored)
    warp = Warp(match.tempo, match.pitch)
    start_s = match.offset_s + excerpt.start_s * match.tempo
    offset = offset_in_frames(start_s, match.tempo, excerpt.params)
    finer = matching.refine_warp(excerpt.kept, reference, warp, offset)
    fits = {
        each: matching.align(unwarp(excerpt.kept, each), reference, offset)
        for each in (warp, finer)
    }
    best = max(fits, key=lambda each: fits[each].coincidences)
    return best, fits[best].offset
