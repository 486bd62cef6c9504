"""Figures as files."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from fingerprinter.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 150


def check_target(path: Path) -> None:
    """Raises `UsageError` where no figure can be drawn as such a file, before any work is done."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed, and plots are drawn with it; `pip install matplotlib`"
        ) from error
    if _format(path) not in FigureCanvasBase.get_supported_filetypes():
        raise UsageError(f"{path}: no kind of picture; name it .png, .svg or .pdf")


def save(figure: Figure, path: Path, dpi: int = _DPI) -> None:
    """Writes a figure in the format that the file's name says.

    A file that is there is replaced once the figure is drawn.
    Raises `UsageError` where it cannot be written, or is no kind of picture.
    """
    check_target(path)
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # no font here writes this title
        figure.savefig(drawn, format=_format(path), dpi=dpi)
    try:
        path.write_bytes(drawn.getbuffer())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from error


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()
