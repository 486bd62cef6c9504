"""Why a clip was given its name: its peaks laid over those that the library keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.audio import AudioSource
from fingerprinter.audio.source import source_name
from fingerprinter.core.fingerprint.params import (
    DEFAULT,
    DEFAULT_QUERY,
    LandmarkParams,
    QueryParams,
)
from fingerprinter.core.fingerprint.peaks import sort_by_bin
from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.core.match import matching
from fingerprinter.core.match.agreement import (
    Mask,
    OffsetVotes,
    Pairs,
    coinciding,
    offset_votes,
    shared_landmarks,
)
from fingerprinter.errors import AudioError
from fingerprinter.library.identify.excerpt import (
    DEFAULT_S,
    Excerpt,
    make_excerpt,
    read_part,
    validate_part,
)
from fingerprinter.types import Match, Peaks, Track

Identify = Callable[[AudioSource], list[Match]]
Stored = Callable[[Track], Peaks]


@dataclass(frozen=True, slots=True)
class Agreement:
    """An excerpt of a clip, and the recording that was recognised in the clip.

    match: as it was found, with times from the start of the whole clip
    offset_s, tempo: where the excerpt begins in the recording, and how fast it goes there
    reference: the recording's stored peaks where the excerpt has them: its offset, tempo
        and pitch are undone
    heard, found: which of the excerpt's kept peaks and of the reference's coincide
    clip_pairs, reference_pairs: the landmarks that both have
    """

    match: Match
    offset_s: float
    tempo: float
    reference: Peaks
    heard: Mask
    found: Mask
    clip_pairs: Pairs
    reference_pairs: Pairs
    votes: OffsetVotes


@dataclass(frozen=True, slots=True)
class Explanation:
    """A part of a recording and, where it was recognised, why.

    name: the file, as it was called; track: the recording, where it is one of the library
    searched: whether it was looked for in the library
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
    """A part of a recording by itself; see `Library.explain`."""
    track = source if isinstance(source, Track) else None
    part = validate_part(start_s, end_s)
    peaks_per_s = params.peaks_per_s if track else DEFAULT_QUERY.peaks_per_s
    return _explanation(source, part, peaks_per_s, params)


def explain_match(
    source: AudioSource | Track,
    start_s: float | None,
    end_s: float | None,
    params: LandmarkParams,
    identify: Identify,
    stored: Stored,
) -> Explanation:
    """A part of a clip and why it is recognised; see `Library.explain`.

    params: those of the library
    identify, stored: the matches of a clip, and the peaks that are kept of a recording
    """
    whole = start_s is None and end_s is None
    part = validate_part(start_s, end_s)
    if whole:
        match = _best(identify(_sound(source)))
    else:
        match = _match_within(source, part, params, identify)
    if match is not None and whole:
        part = match.clip_start_s, min(match.clip_end_s, match.clip_start_s + DEFAULT_S)
    seen = _explanation(source, part, DEFAULT_QUERY.peaks_per_s, params)
    agreement = None if match is None else agreement_of(match, seen.excerpt, stored(match.track))
    return replace(seen, searched=True, agreement=agreement)


def _sound(source: AudioSource | Track) -> AudioSource:
    """Where a recording can be heard."""
    if not isinstance(source, Track):
        return source
    if source.path is None:
        raise AudioError(f"track {source.id}: the library knows no file of it; index one again")
    return source.path


def _explanation(
    source: AudioSource | Track,
    part: tuple[float, float],
    peaks_per_s: float,
    params: LandmarkParams,
) -> Explanation:
    sound = _sound(source)
    excerpt = make_excerpt(read_part(sound, *part, params), part[0], peaks_per_s, params)
    return Explanation(source_name(sound), source if isinstance(source, Track) else None, excerpt)


def _best(matches: list[Match]) -> Match | None:
    return matches[0] if matches else None


def _match_within(
    source: AudioSource | Track,
    part: tuple[float, float],
    params: LandmarkParams,
    identify: Identify,
) -> Match | None:
    """The match of a part, with times from the start of the whole clip."""
    start_s = part[0]
    match = _best(identify((read_part(_sound(source), *part, params), params.sr)))
    return match and replace(
        match,
        offset_s=match.offset_s - start_s * match.tempo,
        clip_start_s=match.clip_start_s + start_s,
        clip_end_s=match.clip_end_s + start_s,
    )


def agreement_of(
    match: Match, excerpt: Excerpt, stored: Peaks, query: QueryParams = DEFAULT_QUERY
) -> Agreement:
    """What speaks for a match in an excerpt of its clip.

    stored: all peaks of the match's recording
    """
    params = excerpt.params
    warp, offset = _fitted(match, excerpt, stored)
    clip = unwarp(excerpt.kept, warp)
    beside = stored.take(_beside(stored, offset, excerpt, warp))
    heard, found = coinciding(clip, _moved(beside, -offset))
    clip_pairs, reference_pairs = shared_landmarks(clip, beside, offset, params, query)
    return Agreement(
        match=match,
        offset_s=offset * params.hop_s,
        tempo=warp.tempo,
        reference=unwarp(_moved(beside, -offset), Warp(1 / warp.tempo, 1 / warp.pitch)),
        heard=heard,
        found=found,
        clip_pairs=clip_pairs,
        reference_pairs=reference_pairs,
        votes=offset_votes(clip, stored, offset, params, query),
    )


def _fitted(match: Match, excerpt: Excerpt, stored: Peaks) -> tuple[Warp, float]:
    """Warp and offset in frames that fit the excerpt; a drift within the clip is followed."""
    reference = sort_by_bin(stored)
    warp = Warp(match.tempo, match.pitch)
    offset = (match.offset_s + excerpt.start_s * match.tempo) / excerpt.params.hop_s
    finer = matching.refine_warp(excerpt.kept, reference, warp, offset)
    fits = {
        each: matching.align(unwarp(excerpt.kept, each), reference, offset)
        for each in (warp, finer)
    }
    best = max(fits, key=lambda each: fits[each].coincidences)
    return best, fits[best].offset


def _beside(stored: Peaks, offset: float, excerpt: Excerpt, warp: Warp) -> Mask:
    """Which stored peaks lie where the excerpt does."""
    length = len(excerpt.log_mag) * warp.tempo
    return (stored.frames >= offset) & (stored.frames < offset + length)


def _moved(peaks: Peaks, frames: float) -> Peaks:
    return replace(peaks, frames=peaks.frames + np.float32(frames))
