"""A figure of an explanation: one panel, or three where there is a match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fingerprinter.library.identify.explanation import Agreement, Explanation
from fingerprinter.plotting.labels import (
    SMALL,
    dot_key,
    heading,
    line_key,
    put_heading,
    put_legend,
    put_title,
    recording_title,
    ring_key,
    sound_title,
)
from fingerprinter.plotting.panels import (
    Grid,
    draw_landmarks,
    draw_peaks,
    draw_spectrogram,
    draw_votes,
)
from fingerprinter.plotting.scales import clock, time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ALONE, _MATCHED = (10.0, 4.6), (10.0, 9.5)  # inches


def draw(explanation: Explanation) -> Figure:
    """The spectrogram with its peaks; with a match, what the library keeps of it, and the votes.

    The figure belongs to no window; `save` writes it.
    """
    from matplotlib.figure import Figure

    agreement = explanation.agreement
    figure = Figure(figsize=_MATCHED if agreement else _ALONE, layout="constrained")
    put_heading(figure, heading(explanation))
    if agreement:
        _three_panels(figure, explanation, agreement)
    else:
        _one_panel(figure, explanation)
    return figure


def _one_panel(figure: Figure, explanation: Explanation) -> None:
    axes, grid = figure.add_subplot(), Grid(explanation.excerpt)
    kept, others = explanation.excerpt.kept, explanation.excerpt.others
    _show_sound(figure, axes, explanation)
    places = np.concatenate([grid.places(kept), grid.places(others)])
    draw_peaks(axes, places, np.arange(len(places)) < len(kept))
    axes.set_xlabel("time", fontsize=SMALL)
    put_legend(
        axes,
        dot_key(f"peaks that make landmarks ({len(kept):,})"),
        ring_key(f"other peaks ({len(others):,})"),
    )


def _three_panels(figure: Figure, explanation: Explanation, agreement: Agreement) -> None:
    clip, recording, votes = figure.subplots(3, 1, height_ratios=(3, 3, 1.6))
    grid = Grid(explanation.excerpt)
    _clip_panel(figure, clip, explanation, agreement)
    _recording_panel(recording, grid, agreement)
    _votes_panel(votes, agreement, explanation.excerpt.params.hop_s)


def _clip_panel(figure: Figure, axes: Axes, explanation: Explanation, agreement: Agreement) -> None:
    places = Grid(explanation.excerpt).places(explanation.excerpt.kept)
    _show_sound(figure, axes, explanation)
    draw_landmarks(axes, places, agreement.clip_pairs)
    draw_peaks(axes, places, agreement.heard)
    put_legend(
        axes,
        dot_key(f"peaks in both ({agreement.heard.sum():,})"),
        ring_key("in one only"),
        line_key(f"landmarks in both ({len(agreement.clip_pairs):,})"),
    )


def _show_sound(figure: Figure, axes: Axes, explanation: Explanation) -> None:
    image = draw_spectrogram(axes, explanation.excerpt)
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=30)
    bar.set_label("level (dB of full scale)", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    put_title(axes, sound_title(explanation))
    if not len(explanation.excerpt.kept):
        axes.text(0.5, 0.5, "no peaks: silence", transform=axes.transAxes, ha="center")


def _recording_panel(axes: Axes, grid: Grid, agreement: Agreement) -> None:
    """The library's peaks where the clip has them; the recording's own time stands above."""
    places = grid.places(agreement.reference)
    grid.frame(axes)
    draw_landmarks(axes, places, agreement.reference_pairs)
    draw_peaks(axes, places, agreement.found)
    axes.set_xlabel("time in the clip", fontsize=SMALL)
    length_s = (grid.end_s - grid.start_s) * agreement.tempo
    above = axes.twiny()
    above.set_xlim(agreement.offset_s, agreement.offset_s + length_s)
    above.tick_params(labelsize=SMALL)
    time_ticks(above.xaxis, length_s)
    put_title(axes, recording_title(agreement.match))


def _votes_panel(axes: Axes, agreement: Agreement, hop_s: float) -> None:
    votes = agreement.votes
    draw_votes(axes, agreement, hop_s)
    axes.set_xlabel("where this part of the clip begins in the recording", fontsize=SMALL)
    axes.set_ylabel("votes (root scale)", fontsize=SMALL)
    _name_best(axes, agreement)
    put_title(axes, "Votes of the clip's landmarks")
    put_legend(
        axes,
        line_key(f"chance: mean ({votes.chance:.2g})"),
        line_key(f"chance: best of all places ({votes.luckiest:.0f})", style="--"),
    )


def _name_best(axes: Axes, agreement: Agreement) -> None:
    """Place and votes of the match, beside its mark."""
    votes, match = agreement.votes, agreement.match
    late = agreement.offset_s > match.track.duration_s / 2  # then there is room on the left only
    axes.annotate(
        f"{clock(agreement.offset_s, 0.1)}: {votes.best:,}, confidence {match.confidence:.3f}",
        (agreement.offset_s, votes.best),
        xytext=(-8 if late else 8, 0),
        textcoords="offset points",
        ha="right" if late else "left",
        va="center",
        fontsize=SMALL,
    )
