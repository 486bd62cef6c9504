"""The figure of the map of a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fingerprinter.core.arrays import Doubles
from fingerprinter.library.discover.sound_map import SoundMap
from fingerprinter.plotting.labels import GREY, SMALL, put_heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

_SIZE = (10.0, 8.0)  # inches
_NAME_BOX = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
_RINGS = 60  # circles around the middle of a cluster on which its name may lie
_RING_DISTANCE = 0.02  # from one ring to the next, in units of the map
_DIRECTIONS = 16
_LINE_FROM = 0.06  # a name this far from its cluster gets a line to it, in units of the map
_MARGIN = 3  # pixels between names


def draw_map(sound_map: SoundMap) -> Figure:
    """Draw the map of a library.

    Parameters
    ----------
    sound_map : SoundMap
        Positions and clusters of the tracks.

    Returns
    -------
    matplotlib.figure.Figure
        A dot for each track and a colour for each cluster, with the name of the cluster near its
        middle. `save` writes it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.set_axis_off()
    colors = _colors(len(sound_map.clusters))
    axes.scatter(
        sound_map.places[:, 0],
        sound_map.places[:, 1],
        s=float(np.clip(16_000 / max(len(sound_map.ids), 1), 1.5, 44)),  # square points
        c=[colors[label] for label in sound_map.labels],
        alpha=0.75,
        linewidths=0,
    )
    put_heading(figure, f"{len(sound_map.ids):,} tracks by their sound")
    axes.margins(0.08)
    _draw_names(figure, axes, sound_map, colors)
    return figure


def _colors(count: int) -> list[tuple[float, float, float]]:
    """Return colours with evenly spaced hues, light and dark in turn."""
    from matplotlib.colors import hsv_to_rgb

    return [
        tuple(hsv_to_rgb((n / max(count, 1), 0.85 - 0.25 * (n % 2), 0.62 + 0.2 * (n % 2))).tolist())
        for n in range(count)
    ]


def _draw_names(
    figure: Figure, axes: Axes, sound_map: SoundMap, colors: list[tuple[float, float, float]]
) -> None:
    """Write the names, largest cluster first, each as near to its middle as others leave room."""
    occupied: list[Bbox] = []
    figure.draw_without_rendering()
    for cluster in sound_map.clusters:
        red, green, blue = (0.6 * part for part in colors[cluster.id])  # darker than its dots
        middle = np.median(sound_map.places[sound_map.labels == cluster.id], axis=0).astype(float)
        name = axes.text(
            float(middle[0]),
            float(middle[1]),
            f"{cluster.name}\n{cluster.size} tracks",
            ha="center",
            va="center",
            fontsize=SMALL,
            weight="bold",
            color=(red, green, blue),
            bbox=_NAME_BOX,
            parse_math=False,
        )
        place = _put_at_free_place(name, middle, occupied)
        if np.hypot(*(place - middle)) > _LINE_FROM:
            axes.plot(*np.stack([middle, place], axis=1), color=GREY, linewidth=0.6, zorder=1)


def _put_at_free_place(name: Text, middle: Doubles, occupied: list[Bbox]) -> Doubles:
    """Move a name to the free place nearest to its middle, and return that place."""
    for place in _places_around(middle):
        name.set_position((float(place[0]), float(place[1])))
        box = name.get_window_extent().padded(_MARGIN)
        if not any(box.overlaps(other) for other in occupied):
            break
    occupied.append(box)
    return place


def _places_around(middle: Doubles) -> Doubles:
    """Return the middle, then places on rings around it, the nearest first, as (n, 2)."""
    radius = _RING_DISTANCE * np.arange(1, _RINGS + 1)[:, np.newaxis, np.newaxis]
    angle = 2 * np.pi * np.arange(_DIRECTIONS)[:, np.newaxis] / _DIRECTIONS
    ring = np.stack([np.sin(angle), np.cos(angle)], axis=-1)[:, 0]
    return np.concatenate([middle[np.newaxis], (middle + radius * ring).reshape(-1, 2)])
