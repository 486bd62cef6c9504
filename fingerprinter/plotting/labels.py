"""The texts of a figure: heading, titles and legends."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fingerprinter.core.printable import printable
from fingerprinter.library.base import labels
from fingerprinter.library.identify.explanation import Explanation
from fingerprinter.types import Match, Track

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Style = Literal["-", "--", ""]

# Colours of Okabe & Ito (2008), which colour-blind readers and grey prints can tell apart.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#606060"
SMALL = 9  # points
_LARGE = 12
_MAX_NAME = 70  # characters of a name
_DEFAULT_FONT = "DejaVu Sans"  # comes with matplotlib
_FONTS = ("Noto Sans CJK JP", "Noto Sans", "Yu Gothic", "Hiragino Sans", "Arial Unicode MS")


def heading(explanation: Explanation) -> str:
    """Return the heading of an explanation: the matching or the given track, else the file."""
    agreement = explanation.agreement
    track = agreement.match.track if agreement else explanation.track
    return _short(labels.label(track) if track else _file_name(explanation.name))


def file_heading(name: str, track: Track | None) -> str:
    """Return the heading of a track: artist and title, or the name of a file without a track."""
    return _short(labels.label(track) if track else _file_name(name))


def sound_title(explanation: Explanation) -> str:
    """Return the title of the spectrogram: "no match", or the file if the heading has another."""
    if explanation.searched and not explanation.agreement:
        return "no match in the library"
    file = _short(_file_name(explanation.name))
    return "" if file == heading(explanation) else file


def recording_title(match: Match) -> str:
    """Return the title of the panel of the recording, with how the clip differs from it."""
    factors = {"tempo": match.tempo, "pitch": match.pitch}
    percents = {name: round(100 * (factor - 1), 1) for name, factor in factors.items()}
    changes = [f"{name} {value:+.1f} %" for name, value in percents.items() if value]
    return ", ".join(["The recording's stored peaks, with its own time above", *changes])


def _file_name(path: str) -> str:
    return Path(path).name


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def put_heading(figure: Figure, text: str) -> None:
    """Put a heading on a figure; dollar signs are no formula, and any script works."""
    figure.suptitle(
        text, x=0.01, ha="left", size=_LARGE, weight="bold", family=_fonts(), parse_math=False
    )


def put_title(axes: Axes, text: str) -> None:
    """Put a title on a panel; dollar signs are no formula, and any script works."""
    axes.set_title(text, loc="left", fontsize=SMALL + 1, family=_fonts(), parse_math=False)


@cache
def _fonts() -> list[str]:
    """Return matplotlib's own font, then installed fonts that cover more scripts."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [_DEFAULT_FONT, *(name for name in _FONTS if name in installed)]


def put_legend(axes: Axes, *keys: Artist) -> None:
    """Put a legend above the axes, on the right of the title."""
    axes.legend(
        handles=keys,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(keys),
        frameon=False,
        fontsize=SMALL,
        borderaxespad=0.1,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def dot_key(label: str) -> Artist:
    """Return a legend entry for the peaks that are used."""
    return line_key(label, VERMILION, "", marker="o", markersize=4)


def ring_key(label: str) -> Artist:
    """Return a legend entry for all other peaks."""
    return line_key(label, GREY, "", marker="o", markersize=4, markerfacecolor="none")


def line_key(label: str, color: str = BLUE, style: _Style = "-", **more: Any) -> Artist:
    """Return a legend entry for lines."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, linestyle=style, linewidth=1, label=label, **more)
