"""Short parts of recordings, each alone in silence or speech, as jingles and advertisements are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.degrade import is_audible
from fingerprinter.evaluation.degrade.noise import Sound
from fingerprinter.evaluation.excerpt import SR, Samples, read_excerpt
from fingerprinter.evaluation.mixes import Mix, PlayedTrack, at_level

LENGTHS_S = (2.0, 5.0)
_GAPS_S = (15.0, 30.0)  # as long as a search window, or longer
_SHORTEST_S = 10.0  # of a recording that parts are drawn from
_TRIES = 20  # for each jingle: files that are gone, and quiet parts


def draw_jingles(
    count: int, inside: Sequence[Recording], between: Sound | None, rng: np.random.Generator
) -> Mix:
    """Draws parts of 2 to 5 s, with 15 to 30 s between them.

    Parameters
    ----------
    count
        How many.
    inside
        Recordings of the library, each with its duration.
    between
        What sounds between them at the same level, such as speech; ``None`` for silence.
    rng
        Decides everything that is drawn.

    Raises
    ------
    UsageError
        If no audible part could be drawn.
    """
    fitting = [each for each in inside if (each.duration_s or 0.0) >= _SHORTEST_S]
    pieces, played = [_gap(between, rng)], list[PlayedTrack]()
    position = len(pieces[0])
    for _ in range(count * _TRIES if fitting else 0):
        if len(played) == count:
            break
        recording = fitting[int(rng.integers(len(fitting)))]
        length = round(rng.uniform(*LENGTHS_S) * SR)
        offset_s = float(rng.uniform(0.0, (recording.duration_s or 0.0) - length / SR))
        try:
            part = read_excerpt(recording.path, offset_s, length)
        except AudioError:
            continue
        if len(part) < length or not is_audible(part):
            continue
        start_s, end_s = position / SR, (position + length) / SR
        played.append(PlayedTrack(recording, start_s, end_s, 0.0, 0.0, offset_s, Warp(1.0, 1.0)))
        pieces += [at_level(part), _gap(between, rng)]
        position += length + len(pieces[-1])
    if not played:
        raise UsageError(
            f"no audible part of a recording of {_SHORTEST_S:.0f} s or more could be drawn;"
            " index longer music, or choose other files with --from"
        )
    return Mix(np.concatenate(pieces), tuple(played))


def _gap(between: Sound | None, rng: np.random.Generator) -> Samples:
    n = round(rng.uniform(*_GAPS_S) * SR)
    return np.zeros(n, np.float32) if between is None else at_level(between(n, rng))
