"""How similar the fillers are to real music in what matters to a landmark index.

The folders of real tracks are dealt into two halves. Clips of ten seconds of each half are looked
up in the other half, and in as many fillers made of the other half. Neither holds the clips, so
all votes are chance. The same clips are looked up in the fillers made of their own tracks: these
must not get more votes, or fillers would be recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmark_fillers import Fillers, Original

from fingerprinter.core.fingerprint.constellation import unpack_peaks
from fingerprinter.core.fingerprint.landmarks import hash_bits, make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.match import matching
from fingerprinter.types import Landmarks, Peaks

CLIP_S = 10.0
HASHES = 1 << hash_bits(DEFAULT)

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recording:
    """A track, real or not, with the folder that it is from or made of."""

    group: str
    peaks: Peaks
    landmarks: Landmarks

    @property
    def duration_s(self) -> float:
        return float(self.peaks.frames[-1]) * DEFAULT.hop_s


def recording(group: str, peaks: Peaks) -> Recording:
    return Recording(group, peaks, make_landmarks(peaks, DEFAULT, DEFAULT.fan_out))


def fillers_of(originals: Sequence[Original], seed: int) -> list[Recording]:
    """As many fillers as originals."""
    fillers = Fillers(originals, seed)
    return [
        recording(fillers.group(number), unpack_peaks(sound.constellation))
        for number in range(len(originals))
        if (sound := fillers.analysis(number).features)
    ]


class LandmarkTable:
    """All landmarks of some recordings, in memory."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        lengths = [int(each.peaks.frames[-1]) + 2 for each in recordings]
        starts = np.cumsum(lengths) - lengths
        hashes = np.concatenate([each.landmarks.hashes for each in recordings])
        frames = [each.landmarks.frames + s for each, s in zip(recordings, starts, strict=True)]
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._positions = hashes[order], np.concatenate(frames)[order]
        self.hours = sum(each.duration_s for each in recordings) / 3600

    def look_up(self, clip: Peaks) -> tuple[int, int]:
        """Postings met by a clip, and votes of the best place."""
        phases, fan_out = DEFAULT_QUERY.phases, DEFAULT_QUERY.fan_out
        query = matching.build_query([[make_landmarks(clip, DEFAULT, fan_out, p) for p in phases]])
        first = np.searchsorted(self._hashes, query.hashes, side="left")
        counts = np.searchsorted(self._hashes, query.hashes, side="right") - first
        rows = np.repeat(np.arange(len(counts)), counts)
        which = np.arange(len(rows)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        keys = matching.vote_keys(query, rows, self._positions[which].astype(np.int64))
        return len(rows), int(matching.count_votes(keys, 0, 1).votes.max(initial=0))


def draw_clip(peaks: Peaks, rng: np.random.Generator) -> Peaks:
    length = CLIP_S / DEFAULT.hop_s
    start = rng.uniform(0, max(1.0, float(peaks.frames[-1]) - length))
    first, end = np.searchsorted(peaks.frames, [start, start + length])
    cut = peaks.take(np.arange(first, end))
    return replace(cut, frames=cut.frames - np.float32(start))


def describe(recordings: Sequence[Recording]) -> dict[str, float]:
    """Densities, and how often landmarks share their hash.

    own, group, others: how much more often than by chance two landmarks have one hash if they are
    of one track, of two tracks of one folder, or of two folders
    """
    groups: dict[str, list[Recording]] = {}
    for each in recordings:
        groups.setdefault(each.group, []).append(each)
    of_tracks = np.sum([_pairs([each]) for each in recordings], axis=0)
    of_groups = np.sum([_pairs(each) for each in groups.values()], axis=0)
    duration_s = sum(each.duration_s for each in recordings)
    kinds = {
        "own": of_tracks,
        "group": of_groups - of_tracks,
        "others": _pairs(recordings) - of_groups,
    }
    distinct = [len(np.unique(r.landmarks.hashes)) / len(r.landmarks) for r in recordings]
    return {
        "tracks": len(recordings),
        "hours": duration_s / 3600,
        "peaks_per_s": sum(len(each.peaks) for each in recordings) / duration_s,
        "landmarks_per_s": sum(len(each.landmarks) for each in recordings) / duration_s,
        "distinct_in_track": float(np.median(distinct)),
        **{name: float(HASHES * same / max(1.0, both)) for name, (same, both) in kinds.items()},
    }


def _pairs(recordings: Sequence[Recording]) -> npt.NDArray[np.float64]:
    """Pairs of landmarks with one hash, and all pairs, each landmark with itself too."""
    hashes = np.concatenate([each.landmarks.hashes for each in recordings])
    counts = np.bincount(hashes, minlength=HASHES)
    return np.array([np.sum(counts.astype(np.float64) ** 2), float(counts.sum()) ** 2])


def chance(asked: Sequence[tuple[LandmarkTable, Sequence[Peaks]]]) -> dict[str, Any]:
    """What clips meet in tables that do not hold them."""
    found = [(table.hours, *table.look_up(clip)) for table, clips in asked for clip in clips]
    votes = [votes for _, _, votes in found]
    return {
        "clips": len(found),
        "postings_per_hour": float(np.mean([postings / hours for hours, postings, _ in found])),
        "best_votes": {f"p{p}": float(np.percentile(votes, p)) for p in (50, 95, 100)},
    }


def compare(originals: Sequence[Original], seed: int) -> dict[str, Any]:
    """Real tracks and fillers side by side."""
    rng = np.random.default_rng(seed)
    groups = sorted({original.group for original in originals})
    if len(groups) < 2:
        raise SystemExit("the real tracks lie in one folder; index music of two folders or more")
    order = [groups[i] for i in rng.permutation(len(groups))]
    real, fillers, clips = [], [], []
    for names in (order[::2], order[1::2]):
        mine = [original for original in originals if original.group in names]
        real.append(LandmarkTable([recording(each.group, each.peaks) for each in mine]))
        fillers.append(LandmarkTable(fillers_of(mine, seed)))
        clips.append([draw_clip(each.peaks, rng) for each in mine])
    return {
        "params_id": DEFAULT.id,
        "seed": seed,
        "real": describe([recording(each.group, each.peaks) for each in originals]),
        "fillers": describe(fillers_of(originals, seed)),
        "unrelated clips in real tracks": chance([(real[0], clips[1]), (real[1], clips[0])]),
        "unrelated clips in fillers": chance([(fillers[0], clips[1]), (fillers[1], clips[0])]),
        "clips of the fillers' own tracks": chance(
            [(fillers[0], clips[0]), (fillers[1], clips[1])]
        ),
    }
