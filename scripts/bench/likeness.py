"""How like real music the fillers are, in all that matters to a landmark index.

    python scripts/bench/likeness.py SOURCE.db --out RESULTS.json [--seed 7]

The groups of real tracks are dealt into two halves. Clips of ten seconds of each half are asked
of the other, and of as many fillers made of the other: neither holds them, so that all that is
found is chance. The same clips are asked of the fillers that were made of their own tracks: that
these find no more is what makes them fillers. The clips' landmarks are as dense as in a full
search, of stored peaks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fillers import Fillers, Original, read_originals

from fingerprinter.core.fingerprint.constellation import unpack_peaks
from fingerprinter.core.fingerprint.landmarks import hash_bits, make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.match import matching
from fingerprinter.store.engine.database import Database
from fingerprinter.types import Landmarks, Peaks

CLIP_S = 10.0
DT_BITS, DF_BITS = DEFAULT.max_dt.bit_length(), (2 * DEFAULT.max_df + 1).bit_length()
HASHES = 1 << hash_bits(DEFAULT)
SHARES = np.logspace(-5, 0, 51)  # of all hashes, the most common first

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recording:
    """A track, real or not."""

    group: str
    peaks: Peaks
    landmarks: Landmarks

    @property
    def seconds(self) -> float:
        return float(self.peaks.frames[-1]) * DEFAULT.hop_s


def recording(group: str, peaks: Peaks) -> Recording:
    return Recording(group, peaks, make_landmarks(peaks, DEFAULT, DEFAULT.fan_out))


def made_of(originals: Sequence[Original], seed: int) -> list[Recording]:
    """As many fillers as originals, with the groups that they are made of."""
    fillers = Fillers(originals, seed)
    return [
        recording(fillers.group(number), unpack_peaks(features.constellation))
        for number in range(len(originals))
        if (features := fillers.analysis(number).features)
    ]


class Heap:
    """All landmarks of some recordings, in memory."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        lengths = [int(each.peaks.frames[-1]) + 2 for each in recordings]
        starts = np.cumsum(lengths) - lengths
        hashes = np.concatenate([each.landmarks.hashes for each in recordings])
        frames = [each.landmarks.frames + s for each, s in zip(recordings, starts, strict=True)]
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._positions = hashes[order], np.concatenate(frames)[order]
        self.hours = sum(each.seconds for each in recordings) / 3600

    def ask(self, clip: Peaks) -> tuple[int, int]:
        """(postings, votes of the best place) of a clip."""
        phases, fan_out = DEFAULT_QUERY.phases, DEFAULT_QUERY.fan_out
        question = matching.build_query(
            [[make_landmarks(clip, DEFAULT, fan_out, p) for p in phases]]
        )
        first = np.searchsorted(self._hashes, question.hashes, side="left")
        counts = np.searchsorted(self._hashes, question.hashes, side="right") - first
        query = np.repeat(np.arange(len(counts)), counts)
        which = np.arange(len(query)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        keys = matching.vote_keys(question, query, self._positions[which].astype(np.int64))
        votes = matching.count_votes(keys, 0, 1).votes
        return len(query), int(votes.max(initial=0))


def clip_of(peaks: Peaks, rng: np.random.Generator) -> Peaks:
    length = CLIP_S / DEFAULT.hop_s
    start = rng.uniform(0, max(1.0, float(peaks.frames[-1]) - length))
    first, end = np.searchsorted(peaks.frames, [start, start + length])
    cut = peaks.take(np.arange(first, end))
    return replace(cut, frames=cut.frames - np.float32(start))


def hash_counts(recordings: Sequence[Recording]) -> Counts:
    hashes = np.concatenate([each.landmarks.hashes for each in recordings])
    return np.bincount(hashes, minlength=HASHES)


def spread(values: Sequence[float]) -> dict[str, float]:
    quartiles = np.percentile(values, [10, 50, 90])
    return {"p10": quartiles[0], "median": quartiles[1], "p90": quartiles[2]}


def describe(recordings: Sequence[Recording]) -> dict[str, Any]:
    """What a library of them is like.

    own, group, others: how much more often than by chance two landmarks share their hash,
    when they are of one track, of two tracks of one group, of two groups
    """
    counts = hash_counts(recordings)
    common = np.sort(counts)[::-1].cumsum() / counts.sum()
    hashes = np.concatenate([each.landmarks.hashes for each in recordings])
    seconds = sum(each.seconds for each in recordings)
    return {
        "tracks": len(recordings),
        "hours": seconds / 3600,
        "peaks_per_s": sum(len(each.peaks) for each in recordings) / seconds,
        "landmarks_per_s": len(hashes) / seconds,
        "distinct_in_track": spread(
            [len(np.unique(r.landmarks.hashes)) / len(r.landmarks) for r in recordings]
        ),
        "dt": spread(hashes & ((1 << DT_BITS) - 1)),
        "df": spread((hashes >> DT_BITS & ((1 << DF_BITS) - 1)).astype(int) - DEFAULT.max_df),
        "bin": spread(hashes >> (DT_BITS + DF_BITS)),
        "common": common[(SHARES * (HASHES - 1)).astype(int)].tolist(),
        **collisions(recordings, counts),
    }


def collisions(recordings: Sequence[Recording], counts: Counts) -> dict[str, float]:
    groups: dict[str, list[Recording]] = {}
    for each in recordings:
        groups.setdefault(each.group, []).append(each)
    of_tracks = np.sum([_pairs(hash_counts([each])) for each in recordings], axis=0)
    of_groups = np.sum([_pairs(hash_counts(each)) for each in groups.values()], axis=0)
    own, group, others = of_tracks, of_groups - of_tracks, _pairs(counts) - of_groups
    return {
        name: HASHES * same / pairs
        for name, (same, pairs) in (("own", own), ("group", group), ("others", others))
    }


def _pairs(counts: Counts) -> npt.NDArray[np.float64]:
    """(pairs of landmarks with the same hash, all pairs), each landmark with itself too."""
    return np.array([np.sum(counts.astype(np.float64) ** 2), float(counts.sum()) ** 2])


@dataclass(frozen=True, slots=True)
class Half:
    """Some groups of real tracks, as many fillers made of them, and a clip of each track."""

    real: Heap
    fillers: Heap
    clips: list[Peaks]


def halves(originals: Sequence[Original], seed: int) -> list[Half]:
    rng = np.random.default_rng(seed)
    groups = sorted({original.group for original in originals})
    order = [groups[i] for i in rng.permutation(len(groups))]
    return [
        Half(
            Heap([recording(each.group, each.peaks) for each in mine]),
            Heap(made_of(mine, seed)),
            [clip_of(each.peaks, rng) for each in mine],
        )
        for names in (order[::2], order[1::2])
        for mine in [[original for original in originals if original.group in names]]
    ]


def chance(asked: Sequence[tuple[Heap, Sequence[Peaks]]]) -> dict[str, Any]:
    """What clips find that are not there."""
    found = [(heap, *heap.ask(clip)) for heap, clips in asked for clip in clips]
    return {
        "clips": len(found),
        "postings_per_hour": float(np.mean([n / heap.hours for heap, n, _ in found])),
        "best_votes": sorted(votes for _, _, votes in found),
    }


def compare(originals: Sequence[Original], seed: int) -> dict[str, Any]:
    one, other = halves(originals, seed)
    return {
        "params_id": DEFAULT.id,
        "seed": seed,
        "shares": SHARES.tolist(),
        "real": describe([recording(each.group, each.peaks) for each in originals]),
        "fillers": describe(made_of(originals, seed)),
        "chance": {
            "unrelated clips, real tracks": chance(
                [(one.real, other.clips), (other.real, one.clips)]
            ),
            "unrelated clips, fillers": chance(
                [(one.fillers, other.clips), (other.fillers, one.clips)]
            ),
            "clips of the fillers' own tracks": chance(
                [(one.fillers, one.clips), (other.fillers, other.clips)]
            ),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", help="library of real music")
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with Database.open(given.source, read_only=True) as database:
        originals = read_originals(database)
    report = compare(originals, given.seed)
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
