"""Draw spectrogram, peaks, landmarks and votes into given axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats, Mask
from fingerprinter.core.match.agreement import OffsetVotes, Pairs
from fingerprinter.library.identify.excerpt import Excerpt
from fingerprinter.library.identify.explanation import Agreement
from fingerprinter.plotting.labels import BLUE, GREY, SMALL, VERMILION
from fingerprinter.plotting.scales import root_scale, time_ticks
from fingerprinter.types import Peaks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Places = npt.NDArray[np.float64]

_DB = np.float32(20 / np.log(10))  # decibels per neper
_MAX_RANGE_DB, _MIN_RANGE_DB = 80.0, 30.0  # from white to black
_WHITE_PERCENT = 25  # of the points are white, so that peaks and lines stand out
_MIN_BLACK_DB = -60.0  # the level of black is at least this, so that silence stays white
_MAX_COLUMNS = 1500  # of the votes; of the offsets in one column, the best is drawn


class Grid:
    """Converts frames and bins of an excerpt to seconds of the clip and kilohertz."""

    def __init__(self, excerpt: Excerpt) -> None:
        params = excerpt.params
        self._hop_s, self._bin_khz = params.hop_s, params.bin_hz / 1000
        self._first_s = excerpt.start_s + params.n_fft / params.sr / 2  # the middle of frame 0
        self.start_s, self.end_s = excerpt.start_s, excerpt.start_s + excerpt.duration_s
        self.top_khz = (params.max_bin + 1) * self._bin_khz

    def places(self, peaks: Peaks) -> Places:
        """Return seconds and kilohertz of each peak, (n, 2) float64."""
        seconds = self._first_s + peaks.frames * self._hop_s
        return np.stack([seconds, peaks.bins * self._bin_khz], axis=1)

    def extent(self, frames: int, bins: int) -> tuple[float, float, float, float]:
        """Return left, right, bottom and top of an image of so many frames and bins."""
        left, bottom = self._first_s - self._hop_s / 2, -self._bin_khz / 2
        return left, left + frames * self._hop_s, bottom, bottom + bins * self._bin_khz

    def frame(self, axes: Axes) -> None:
        """Set limits, labels and ticks of axes of time and frequency."""
        axes.set_xlim(self.start_s, self.end_s)
        axes.set_ylim(0, self.top_khz)
        axes.locator_params(axis="y", steps=[1, 2, 5, 10], nbins=8)
        axes.set_ylabel("frequency (kHz)", fontsize=SMALL)
        axes.tick_params(labelsize=SMALL)
        time_ticks(axes.xaxis, self.end_s - self.start_s)


def draw_spectrogram(axes: Axes, excerpt: Excerpt) -> AxesImage:
    """Draw a spectrogram in shades of grey, and return the image for a colour bar."""
    grid = Grid(excerpt)
    level_db = excerpt.log_mag.T * _DB
    bottom_db, top_db = _range_db(level_db)
    image = axes.imshow(
        level_db,
        cmap="Greys",
        vmin=bottom_db,
        vmax=top_db,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=grid.extent(*excerpt.log_mag.shape),
    )
    grid.frame(axes)
    return image


def _range_db(level_db: Floats) -> tuple[float, float]:
    """Return the levels of white and black; the quietest quarter of the points is white."""
    top_db = max(float(level_db.max()), _MIN_BLACK_DB)
    quiet_db = float(np.percentile(level_db, _WHITE_PERCENT))
    return float(np.clip(quiet_db, top_db - _MAX_RANGE_DB, top_db - _MIN_RANGE_DB)), top_db


def draw_peaks(axes: Axes, places: Places, strong: Mask) -> None:
    """Draw peaks: strong ones as dots, others as rings, and smaller if there are many."""
    size = float(np.clip(12_000 / (len(places) + 1), 2, 20))
    t, f = places[~strong].T
    axes.scatter(t, f, size / 1.6, facecolors="none", edgecolors=GREY, linewidths=0.5, zorder=3)
    t, f = places[strong].T
    axes.scatter(t, f, size, VERMILION, edgecolors="white", linewidths=size / 50, zorder=4)


def draw_landmarks(axes: Axes, places: Places, pairs: Pairs) -> None:
    """Draw a line from the anchor of each landmark to its target, fainter if there are many."""
    from matplotlib.collections import LineCollection

    lines = np.stack([places[pairs.anchors], places[pairs.targets]], axis=1)
    alpha = float(np.clip(400 / (len(pairs) + 1), 0.15, 0.8))
    axes.add_collection(
        LineCollection([*lines], colors=BLUE, linewidths=0.6, alpha=alpha, zorder=2), autolim=False
    )


def draw_votes(axes: Axes, agreement: Agreement, hop_s: float) -> None:
    """Draw the votes for each offset in the recording, the match, and what chance gives."""
    votes, offset_s = agreement.votes, agreement.offset_s
    ends_s = min(0.0, offset_s), max(agreement.match.track.duration_s, offset_s)
    columns, heights = _vote_columns(votes, hop_s, ends_s)
    axes.vlines(columns, 0, heights, colors=GREY, linewidths=0.8)
    axes.vlines(offset_s, 0, votes.best, colors=VERMILION, linewidths=1.6)
    axes.plot(offset_s, votes.best, "v", color=VERMILION, clip_on=False)
    axes.axhline(votes.luckiest, color=BLUE, linewidth=1, linestyle="--")
    axes.axhline(votes.chance, color=BLUE, linewidth=1)
    root_scale(axes, 1.15 * max(votes.best, votes.luckiest, heights.max(initial=1)))
    axes.set_xlim(*ends_s)
    axes.tick_params(labelsize=SMALL)
    time_ticks(axes.xaxis, ends_s[1] - ends_s[0])


def _vote_columns(
    votes: OffsetVotes, hop_s: float, ends_s: tuple[float, float]
) -> tuple[Places, Places]:
    """Return the middle in seconds, and the most votes, of each column of pixels."""
    width_s = max(hop_s, (ends_s[1] - ends_s[0]) / _MAX_COLUMNS)
    column = np.floor((votes.offsets * hop_s - ends_s[0]) / width_s).astype(np.int64)
    filled, first = np.unique(column, return_index=True)
    most = np.maximum.reduceat(votes.votes, first) if len(first) else votes.votes
    return ends_s[0] + (filled + 0.5) * width_s, most.astype(np.float64)
