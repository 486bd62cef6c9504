"""The figure of an explanation: one panel, or three if there is a match."""

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
    """Draw why a clip matches a recording, or a spectrogram with its peaks if nothing matches.

    Parameters
    ----------
    explanation : Explanation
        The audio, its peaks and, with a match, what both recordings share.

    Returns
    -------
    matplotlib.figure.Figure
        One panel with the spectrogram and its peaks. With a match, the second panel shows the
        stored peaks of the recording, and the third the votes for each offset. `save` writes it.
    """
    from matplotlib.figure import Figure

    agreement = explanation.agreement
    figure = Figure(figsize=_MATCHED if agreement else _ALONE, layout="constrained")
    put_heading(figure, heading(explanation))
    if agreement:
        _draw_match(figure, explanation, agreement)
    else:
        _draw_alone(figure, explanation)
    return figure


def _draw_alone(figure: Figure, explanation: Explanation) -> None:
    """Draw the spectrogram; peaks that make landmarks are dots, others are rings."""
    axes, grid = figure.add_subplot(), Grid(explanation.excerpt)
    kept, others = explanation.excerpt.kept, explanation.excerpt.others
    _draw_audio(figure, axes, explanation)
    places = np.concatenate([grid.places(kept), grid.places(others)])
    draw_peaks(axes, places, np.arange(len(places)) < len(kept))
    axes.set_xlabel("time", fontsize=SMALL)
    put_legend(
        axes,
        dot_key(f"peaks that make landmarks ({len(kept):,})"),
        ring_key(f"other peaks ({len(others):,})"),
    )


def _draw_match(figure: Figure, explanation: Explanation, agreement: Agreement) -> None:
    clip, recording, votes = figure.subplots(3, 1, height_ratios=(3, 3, 1.6))
    _draw_clip(figure, clip, explanation, agreement)
    _draw_recording(recording, Grid(explanation.excerpt), agreement)
    _draw_votes_of_match(votes, agreement, explanation.excerpt.params.hop_s)


def _draw_clip(figure: Figure, axes: Axes, explanation: Explanation, agreement: Agreement) -> None:
    """Draw the spectrogram of the clip with the peaks and landmarks that the recording has too."""
    places = Grid(explanation.excerpt).places(explanation.excerpt.kept)
    _draw_audio(figure, axes, explanation)
    draw_landmarks(axes, places, agreement.clip_pairs)
    draw_peaks(axes, places, agreement.in_clip)
    put_legend(
        axes,
        dot_key(f"peaks in both ({agreement.in_clip.sum():,})"),
        ring_key("in one only"),
        line_key(f"landmarks in both ({len(agreement.clip_pairs):,})"),
    )


def _draw_audio(figure: Figure, axes: Axes, explanation: Explanation) -> None:
    """Draw the spectrogram with a colour bar and a title."""
    image = draw_spectrogram(axes, explanation.excerpt)
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=30)
    bar.set_label("level (dB of full scale)", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    put_title(axes, sound_title(explanation))
    if not len(explanation.excerpt.kept):
        axes.text(0.5, 0.5, "no peaks: silence", transform=axes.transAxes, ha="center")


def _draw_recording(axes: Axes, grid: Grid, agreement: Agreement) -> None:
    """Draw the stored peaks at the time of the clip; the upper axis has the recording's time."""
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


def _draw_votes_of_match(axes: Axes, agreement: Agreement, hop_s: float) -> None:
    """Draw the votes for each offset, with labels."""
    votes = agreement.votes
    draw_votes(axes, agreement, hop_s)
    axes.set_xlabel("offset: where this part of the clip begins in the recording", fontsize=SMALL)
    axes.set_ylabel("votes (square-root scale)", fontsize=SMALL)
    _label_match(axes, agreement)
    put_title(axes, "Votes of the clip's landmarks")
    put_legend(
        axes,
        line_key(f"chance: mean ({votes.chance:.2g})"),
        line_key(f"chance: best of all offsets ({votes.luckiest:.0f})", style="--"),
    )


def _label_match(axes: Axes, agreement: Agreement) -> None:
    """Write offset, votes and confidence of the match next to its mark."""
    votes, match = agreement.votes, agreement.match
    on_left = agreement.offset_s > match.track.duration_s / 2  # where there is more room
    axes.annotate(
        f"{clock(agreement.offset_s, 0.1)}: {votes.best:,}, confidence {match.confidence:.3f}",
        (agreement.offset_s, votes.best),
        xytext=(-8 if on_left else 8, 0),
        textcoords="offset points",
        ha="right" if on_left else "left",
        va="center",
        fontsize=SMALL,
    )
