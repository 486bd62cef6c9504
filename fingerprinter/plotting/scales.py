"""Axes of time and axes of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MAX_TICKS = 12
_COUNTS = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))
_MIN_DISTANCE = 0.12  # between two ticks, as a share of the axis


def clock(seconds: float, step_s: float = 1.0) -> str:
    """Format a time for a tick, with tenths if the step between ticks is below a second.

    >>> clock(83), clock(-1.5, 0.5), clock(3723)
    ('1:23', '-0:01.5', '1:02:03')
    """
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest / 10:04.1f}" if step_s < 1 else f"{rest // 10:02d}"
    sign = "-" if seconds < 0 and tenths else ""
    return f"{sign}{hours}:{minutes:02d}:{shown}" if hours else f"{sign}{minutes}:{shown}"


def time_ticks(axis: Axis, span_s: float) -> None:
    """Put at most twelve ticks on an axis of ``span_s`` seconds, at round minutes and seconds."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    step_s = next((step for step in _STEPS_S if span_s / step <= _MAX_TICKS), _STEPS_S[-1])
    axis.set_major_locator(MultipleLocator(step_s))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, step_s)))


def root_scale(axes: Axes, top: float) -> None:
    """Scale an axis of counts by their square root, which makes random variation even along it."""
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_ylim(0, top)
    axes.set_yticks(count_ticks(top), minor=False)
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _root(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sqrt(np.maximum(counts, 0))  # matplotlib passes values below 0 too


def count_ticks(top: float) -> list[int]:
    """Return round counts up to ``top`` that are well apart on an axis of square roots.

    >>> count_ticks(1300)
    [0, 20, 100, 500, 1000]
    """
    ticks = [0]
    for count in _COUNTS:
        if count <= top and count**0.5 - ticks[-1] ** 0.5 >= _MIN_DISTANCE * top**0.5:
            ticks.append(count)
    return ticks
