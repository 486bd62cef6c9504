"""The map of a library as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fingerprinter.library.discover.sound_map import SoundMap
from fingerprinter.plotting.labels import GREY, SMALL, put_heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_SIZE = (10.0, 8.0)  # inches
_GROUND = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
_STEPS = 60  # rings of places that a name may move to
_STEP = 0.02  # of the map, from one ring to the next
_DIRECTIONS = 16
_FAR = 0.06  # of the map: a name so far from its middle is tied to it by a line
_MARGIN = 3  # pixels between names

Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels


def draw_map(shown: SoundMap) -> Figure:
    """A dot a track, a colour a cluster, each with its name near its middle.

    The figure belongs to no window; `save` writes it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.set_axis_off()
    colors = _colors(len(shown.clusters))
    _draw_dots(axes, shown, colors)
    put_heading(figure, f"{len(shown.ids):,} tracks by their sound")
    axes.margins(0.08)
    _draw_names(figure, axes, shown, colors)
    return figure


def _colors(count: int) -> list[tuple[float, float, float]]:
    """Hues evenly around the circle, light and dark by turns, to tell neighbours apart."""
    from matplotlib.colors import hsv_to_rgb

    return [
        tuple(hsv_to_rgb((n / max(count, 1), 0.85 - 0.25 * (n % 2), 0.62 + 0.2 * (n % 2))).tolist())
        for n in range(count)
    ]


def _draw_dots(axes: Axes, shown: SoundMap, colors: list[tuple[float, float, float]]) -> None:
    area = float(np.clip(16_000 / max(len(shown.ids), 1), 1.5, 44))  # square points
    axes.scatter(
        shown.places[:, 0],
        shown.places[:, 1],
        s=area,
        c=[colors[label] for label in shown.labels],
        alpha=0.75,
        linewidths=0,
    )


def _draw_names(
    figure: Figure, axes: Axes, shown: SoundMap, colors: list[tuple[float, float, float]]
) -> None:
    """The largest clusters first: each name as near to its middle as others leave room."""
    taken: list[Box] = []
    figure.draw_without_rendering()
    for cluster in shown.clusters:
        middle = np.median(shown.places[shown.labels == cluster.id], axis=0).astype(float)
        name = axes.text(
            float(middle[0]),
            float(middle[1]),
            f"{cluster.name}\n{cluster.size} tracks",
            ha="center",
            va="center",
            fontsize=SMALL,
            weight="bold",
            color=_darker(colors[cluster.id]),
            bbox=_GROUND,
            parse_math=False,
        )
        place = _put_where_free(name, middle, taken)
        if np.hypot(*(place - middle)) > _FAR:
            axes.plot(*np.stack([middle, place], axis=1), color=GREY, linewidth=0.6, zorder=1)


def _put_where_free(name: Text, middle: Floats, taken: list[Box]) -> Floats:
    """Moves a name to the place nearest to its middle that no other one takes; that place."""
    for place in _around(middle):
        name.set_position((float(place[0]), float(place[1])))
        box = _box(name)
        if not any(_overlap(box, other) for other in taken):
            break
    taken.append(box)
    return place


def _box(name: Text) -> Box:
    extent = name.get_window_extent()
    return extent.x0 - _MARGIN, extent.y0 - _MARGIN, extent.x1 + _MARGIN, extent.y1 + _MARGIN


def _around(middle: Floats) -> Floats:
    """The middle, then places on rings around it, the nearest first."""
    radius = _STEP * np.arange(1, _STEPS + 1)[:, np.newaxis, np.newaxis]
    angle = 2 * np.pi * np.arange(_DIRECTIONS)[:, np.newaxis] / _DIRECTIONS
    ring = np.stack([np.sin(angle), np.cos(angle)], axis=-1)[:, 0]
    return np.concatenate([middle[np.newaxis], (middle + radius * ring).reshape(-1, 2)])


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _darker(color: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = (0.6 * part for part in color)
    return red, green, blue
