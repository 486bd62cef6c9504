"""Axes of time, and of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS = 12
_COUNTS = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))
_APART = 0.12  # of the axis, from one count to the next


def clock(seconds: float, step_s: float = 1.0) -> str:
    """A time as ticks show it, to the tenth where the step asks for it.

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
    """Round minutes and seconds, not too many in a span."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    step_s = next((step for step in _STEPS_S if span_s / step <= _MOST_TICKS), _STEPS_S[-1])
    axis.set_major_locator(MultipleLocator(step_s))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, step_s)))


def root_scale(axes: Axes, top: float) -> None:
    """An axis of counts by their square roots: chance spreads alike along all of it."""
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_ylim(0, top)
    axes.set_yticks(_count_ticks(top), minor=False)
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _root(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sqrt(np.maximum(counts, 0))  # matplotlib asks for values below 0 too


def _count_ticks(top: float) -> list[int]:
    """Round counts that are well apart.

    >>> _count_ticks(1300)
    [0, 20, 100, 500, 1000]
    """
    ticks = [0]
    for count in _COUNTS:
        if count <= top and count**0.5 - ticks[-1] ** 0.5 >= _APART * top**0.5:
            ticks.append(count)
    return ticks
