"""A figure of an analysis: loudness with the sections, pitch classes, tempo over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fingerprinter.core.mir.chroma import HOP_S
from fingerprinter.core.mir.keys import TONICS
from fingerprinter.core.mir.rhythm import TEMPOGRAM_HOP_S, tempogram
from fingerprinter.library.music.analyze import MusicFeatures
from fingerprinter.library.music.stored_analyses import TrackAnalysis
from fingerprinter.plotting.labels import (
    BLUE,
    GREY,
    SMALL,
    VERMILION,
    file_heading,
    put_heading,
    put_title,
)
from fingerprinter.plotting.scales import time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (10.0, 8.0)  # inches
_QUIETEST_LUFS, _LOUDEST_LUFS = -60.0, 0.0
_SHADES = ("#DCE9F5", "#FBE3D6", "#E3F1E0", "#F3E6F1", "#FFF5D1", "#E8E8E8")
_TEMPOS = np.geomspace(54, 216, 97)  # beats a minute: two octaves


def draw_analysis(found: TrackAnalysis, heard: MusicFeatures) -> Figure:
    """What was heard, over the time of the recording; `save` writes it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    put_heading(figure, file_heading(found.name, found.track))
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 2))
    _loudness_panel(panels[0], heard)
    _chroma_panel(panels[1], heard)
    _tempo_panel(panels[2], heard)
    for axes in panels:
        axes.tick_params(labelsize=SMALL)
        axes.set_xlim(0, found.duration_s)
        time_ticks(axes.xaxis, found.duration_s)
    panels[2].set_xlabel("time", fontsize=SMALL)
    return figure


def _loudness_panel(axes: Axes, heard: MusicFeatures) -> None:
    """Momentary loudness over the sections, with their labels; beats at the foot."""
    level = heard.analysis.loudness
    times_s = HOP_S * (np.arange(len(heard.loudness_lufs)) + 2)  # the middle of 400 ms
    axes.plot(times_s, heard.loudness_lufs, color=GREY, linewidth=0.8)
    axes.set_ylim(_QUIETEST_LUFS, _LOUDEST_LUFS)
    axes.set_ylabel("loudness (LUFS)", fontsize=SMALL)
    for part in heard.analysis.sections:
        shade = _SHADES[(ord(part.label) - ord("A")) % len(_SHADES)]
        axes.axvspan(part.start_s, part.end_s, color=shade, linewidth=0, zorder=0)
        middle = (part.start_s + part.end_s) / 2
        axes.text(middle, _LOUDEST_LUFS - 2, part.label, ha="center", va="top", weight="bold")
    foot = _QUIETEST_LUFS, _QUIETEST_LUFS + 4
    axes.vlines(heard.analysis.beats_s, *foot, color=BLUE, linewidth=0.4)
    if level.integrated_lufs is not None:
        axes.axhline(level.integrated_lufs, color=VERMILION, linewidth=1)
        title = f"Loudness: {level.integrated_lufs:.1f} LUFS; sections; beats at the foot"
        put_title(axes, title)


def _chroma_panel(axes: Axes, heard: MusicFeatures) -> None:
    frames = heard.chroma.frames
    strongest = np.maximum(frames.max(axis=1, keepdims=True), 1e-3)
    extent = (0.0, len(frames) * HOP_S, -0.5, 11.5)
    axes.imshow(
        (frames / strongest).T,
        cmap="Greys",
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=extent,
    )
    axes.set_yticks(range(12), TONICS)
    key = heard.analysis.key
    named = f"{key.name}, confidence {key.confidence:.2f}" if key else "no key"
    put_title(axes, f"Pitch classes: {named}")


def _tempo_panel(axes: Axes, heard: MusicFeatures) -> None:
    shown = tempogram(heard.activation, _TEMPOS)
    extent = (0.0, len(shown) * TEMPOGRAM_HOP_S, 0.0, 1.0)
    image = axes.imshow(shown.T, cmap="Greys", vmin=0, origin="lower", aspect="auto", extent=extent)
    image.set_interpolation("bilinear")
    marks = [60, 80, 100, 120, 160, 200]
    axes.set_yticks([_height(bpm) for bpm in marks], [str(bpm) for bpm in marks])
    axes.set_ylabel("beats a minute", fontsize=SMALL)
    beats_s = np.array(heard.analysis.beats_s)
    if len(beats_s) > 4:
        spans = (beats_s[4:] - beats_s[:-4]) / 4
        heights = _height(np.clip(60 / spans, _TEMPOS[0], _TEMPOS[-1]))
        axes.plot(beats_s[2:-2], heights, ".", color=VERMILION, markersize=1.5)
    tempo = heard.analysis.tempo_bpm
    put_title(axes, f"Tempo: {tempo:.1f} bpm" if tempo else "Tempo: none")


def _height(bpm: float | np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Where a tempo lies on the axis, 0..1."""
    return np.log(bpm / _TEMPOS[0]) / np.log(_TEMPOS[-1] / _TEMPOS[0])
