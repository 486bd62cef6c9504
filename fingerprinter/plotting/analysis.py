"""The figure of an analysis: loudness with sections, pitch classes, and tempo over time."""

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
_TEMPOS = np.geomspace(54, 216, 97)  # beats per minute: two octaves


def draw_analysis(track_analysis: TrackAnalysis, features: MusicFeatures) -> Figure:
    """Draw the analysis of a track over its time.

    Parameters
    ----------
    track_analysis : TrackAnalysis
        The analysis, with the name and the duration of the track.
    features : MusicFeatures
        The features over time that the analysis was made from.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels: loudness with sections and beats, chroma, tempogram. `save` writes it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    put_heading(figure, file_heading(track_analysis.name, track_analysis.track))
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 2))
    _draw_loudness(panels[0], features)
    _draw_chroma(panels[1], features)
    _draw_tempo(panels[2], features)
    for axes in panels:
        axes.tick_params(labelsize=SMALL)
        axes.set_xlim(0, track_analysis.duration_s)
        time_ticks(axes.xaxis, track_analysis.duration_s)
    panels[2].set_xlabel("time", fontsize=SMALL)
    return figure


def _draw_loudness(axes: Axes, features: MusicFeatures) -> None:
    """Draw momentary loudness over the labelled sections, with the beats at the bottom."""
    level = features.analysis.loudness
    times_s = HOP_S * (np.arange(len(features.loudness_lufs)) + 2)  # middle of a 400 ms window
    axes.plot(times_s, features.loudness_lufs, color=GREY, linewidth=0.8)
    axes.set_ylim(_QUIETEST_LUFS, _LOUDEST_LUFS)
    axes.set_ylabel("loudness (LUFS)", fontsize=SMALL)
    for part in features.analysis.sections:
        shade = _SHADES[(ord(part.label) - ord("A")) % len(_SHADES)]
        axes.axvspan(part.start_s, part.end_s, color=shade, linewidth=0, zorder=0)
        middle = (part.start_s + part.end_s) / 2
        axes.text(middle, _LOUDEST_LUFS - 2, part.label, ha="center", va="top", weight="bold")
    bottom = _QUIETEST_LUFS, _QUIETEST_LUFS + 4
    axes.vlines(features.analysis.beats_s, *bottom, color=BLUE, linewidth=0.4)
    if level.integrated_lufs is not None:
        axes.axhline(level.integrated_lufs, color=VERMILION, linewidth=1)
        title = f"Loudness: {level.integrated_lufs:.1f} LUFS; sections; beats at the bottom"
        put_title(axes, title)


def _draw_chroma(axes: Axes, features: MusicFeatures) -> None:
    """Draw the strength of the pitch classes; the strongest one of each frame is black."""
    frames = features.chroma.frames
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
    key = features.analysis.key
    named = f"{key.name}, confidence {key.confidence:.2f}" if key else "no key"
    put_title(axes, f"Pitch classes: {named}")


def _draw_tempo(axes: Axes, features: MusicFeatures) -> None:
    """Draw the tempogram, with the tempo over four beats as dots."""
    strengths = tempogram(features.activation, _TEMPOS)
    extent = (0.0, len(strengths) * TEMPOGRAM_HOP_S, 0.0, 1.0)
    image = axes.imshow(
        strengths.T, cmap="Greys", vmin=0, origin="lower", aspect="auto", extent=extent
    )
    image.set_interpolation("bilinear")
    marks = [60, 80, 100, 120, 160, 200]
    axes.set_yticks([_height(bpm) for bpm in marks], [str(bpm) for bpm in marks])
    axes.set_ylabel("beats per minute", fontsize=SMALL)
    beats_s = np.array(features.analysis.beats_s)
    if len(beats_s) > 4:
        spans = (beats_s[4:] - beats_s[:-4]) / 4
        heights = _height(np.clip(60 / spans, _TEMPOS[0], _TEMPOS[-1]))
        axes.plot(beats_s[2:-2], heights, ".", color=VERMILION, markersize=1.5)
    tempo = features.analysis.tempo_bpm
    put_title(axes, f"Tempo: {tempo:.1f} bpm" if tempo else "Tempo: none")


def _height(bpm: float | np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return the place of a tempo on the axis, 0 to 1."""
    return np.log(bpm / _TEMPOS[0]) / np.log(_TEMPOS[-1] / _TEMPOS[0])
