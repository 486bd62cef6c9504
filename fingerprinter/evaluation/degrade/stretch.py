"""Changed speed, tempo and pitch: soxr for the pitch, FFmpeg's ``atempo`` (WSOLA) for the time."""

from __future__ import annotations

import av
import numpy as np
import soxr
from av.filter import Graph

from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.evaluation.excerpt import SR, Samples


def stretched(samples: Samples, warp: Warp) -> Samples:
    """The samples played at a tempo and a pitch; about ``len(samples) / warp.tempo`` of them.

    Resampling changes tempo and pitch alike, as a record player does. The rest of the change of
    tempo is made without a change of pitch.
    """
    pitched = samples if warp.pitch == 1.0 else _resampled(samples, warp.pitch)
    tempo = warp.tempo / warp.pitch
    if not 0.5 <= tempo <= 2.0:  # the range of the filter; a large change is made in two steps
        tempo = tempo**0.5
        pitched = _with_tempo(pitched, tempo)
    return pitched if abs(tempo - 1.0) < 1e-9 else _with_tempo(pitched, tempo)


def _resampled(samples: Samples, speed: float) -> Samples:
    return soxr.resample(samples, SR, SR / speed)


def _with_tempo(samples: Samples, tempo: float) -> Samples:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=SR, format="flt", layout="mono")
    stretch, sink = graph.add("atempo", f"{tempo:.9f}"), graph.add("abuffersink")
    graph.link_nodes(source, stretch, sink).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], "flt", "mono")
    frame.sample_rate = SR
    graph.push(frame)
    graph.push(None)
    return np.concatenate(_pulled(graph))


def _pulled(graph: Graph) -> list[Samples]:
    """All frames that a filter graph still gives."""
    pieces: list[Samples] = []
    while True:
        try:
            frame = graph.pull()
        except (av.EOFError, av.BlockingIOError):
            return pieces
        pieces.append(frame.to_ndarray()[0])
