"""Loudness by ITU-R BS.1770-4 and EBU R 128 / Tech 3342, measured by FFmpeg's filter `ebur128`.

The filter reports the momentary loudness (of 400 ms) and the short-term loudness (of 3 s) every
tenth of a second. Integrated loudness and loudness range are derived from these values here,
because the filter also counts windows that are not filled yet, and cannot go on when the sample
rate changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import av
import av.filter
import numpy as np

from fingerprinter.core.arrays import Doubles, Floats
from fingerprinter.types import Loudness

_MOMENTARY_HOPS, _SHORT_TERM_HOPS = 4, 30  # 400 ms, 3 s
_SILENCE_LUFS = -70.0  # the absolute gate
_GATE_LU, _RANGE_GATE_LU = -10.0, -20.0  # the relative gates of loudness and of its range
_RANGE_PERCENTILES = (10, 95)
_MIN_SR, _RESAMPLED_SR = 4000, 48_000  # the weighting filter is not stable at lower rates
_SURROUND: Final = {6: "5.1"}  # these channels have weights; others count the same


@dataclass(slots=True)
class _Run:
    """Values of a part of the stream with one sample rate and number of channels, in LUFS."""

    momentary: list[float] = field(default_factory=list)
    short_term: list[float] = field(default_factory=list)


class LoudnessMeter:
    """Measures the loudness of a stream of samples, in bounded memory."""

    def __init__(self) -> None:
        self._format = (0, 0)  # sample rate, channels
        self._graph: av.filter.Graph | None = None
        self._runs: list[_Run] = []
        self._pts = 0
        self._peak = 0.0

    def push(self, samples: Floats, sr: int) -> None:
        """Take the next samples.

        Parameters
        ----------
        samples : (channels, n) float32
            Full scale is 1. Six channels are 5.1 in FFmpeg's order.
        sr : int
            Sample rate in Hz. It may change from call to call.
        """
        if self._graph is None or (sr, len(samples)) != self._format:
            self._finish_run()
            self._format = sr, len(samples)
            self._graph, self._pts = _filter_graph(*self._format), 0
            self._runs.append(_Run())
        if not samples.size:
            return
        layout = _layout(len(samples))
        interleaved = np.ascontiguousarray(samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, "flt", layout)
        frame.sample_rate, frame.pts = sr, self._pts
        self._pts += samples.shape[1]
        # The filter reports peaks to 0.001 of full scale, which is too coarse for quiet music.
        self._peak = max(self._peak, float(np.abs(samples).max()))
        self._graph.push(frame)
        self._pull(self._graph)

    def result(self) -> Loudness:
        """End the stream and return its integrated loudness, loudness range and true peak."""
        self._finish_run()
        momentary = [run.momentary[_MOMENTARY_HOPS - 1 :] for run in self._runs]
        short_term = [run.short_term[_SHORT_TERM_HOPS - 1 :] for run in self._runs]
        loud = _gate(np.concatenate([np.empty(0), *momentary]), _GATE_LU)
        steady = _gate(np.concatenate([np.empty(0), *short_term]), _RANGE_GATE_LU)
        low, high = np.percentile(steady, _RANGE_PERCENTILES) if len(steady) else (0.0, 0.0)
        peak = self._peak
        return Loudness(
            integrated_lufs=round(_mean_lufs(loud), 2) if len(loud) else None,
            range_lu=round(float(high - low), 2) if len(steady) else None,
            true_peak_dbtp=round(float(20 * np.log10(peak)), 2) if peak > 0 else None,
        )

    def curve(self) -> Doubles:
        """Momentary loudness at each tenth of a second, (n,) float64 LUFS, at least -70."""
        first = _MOMENTARY_HOPS - 1
        parts = [np.array(run.momentary[first:]) for run in self._runs if run.momentary[first:]]
        # A later run has its first windows filled by the values that follow, to stay in time.
        parts = [np.pad(part, (first if n else 0, 0), "edge") for n, part in enumerate(parts)]
        return np.maximum(np.concatenate([np.empty(0), *parts]), _SILENCE_LUFS)

    def _finish_run(self) -> None:
        if self._graph is not None and self._pts:
            self._graph.push(None)
            self._pull(self._graph)
        self._graph = None

    def _pull(self, graph: av.filter.Graph) -> None:
        """Read the values of all windows that are ready."""
        run = self._runs[-1]
        while True:
            try:
                values = graph.pull().metadata
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if "lavfi.r128.M" in values:
                run.momentary.append(float(values["lavfi.r128.M"]))
                run.short_term.append(float(values["lavfi.r128.S"]))
                self._peak = max(self._peak, float(values["lavfi.r128.true_peak"]))


def _layout(channels: int) -> str:
    """Name the channels for FFmpeg; without names all of them count the same."""
    return _SURROUND.get(channels, f"{channels} channels")


def _filter_graph(sr: int, channels: int) -> av.filter.Graph:
    """Build a graph that takes samples and returns frames with their loudness as metadata."""
    graph = av.filter.Graph()
    source = graph.add(
        "abuffer",
        sample_rate=str(sr),
        sample_fmt="flt",
        channel_layout=_layout(channels),
        time_base=f"1/{sr}",
    )
    filters = [source]
    if sr < _MIN_SR:
        filters.append(graph.add("aresample", str(_RESAMPLED_SR)))
    filters.append(graph.add("ebur128", "peak=true:metadata=1"))
    filters.append(graph.add("abuffersink"))
    for before, after in pairwise(filters):
        before.link_to(after)
    graph.configure()
    return graph


def _gate(levels: Doubles, relative_lu: float) -> Doubles:
    """Keep what is louder than silence and not far quieter than the mean of that."""
    audible = levels[levels > _SILENCE_LUFS]
    return audible[audible > _mean_lufs(audible) + relative_lu] if len(audible) else audible


def _mean_lufs(levels: Doubles) -> float:
    """Mean power of levels, as a level."""
    return float(10 * np.log10(np.mean(10 ** (levels / 10))))
