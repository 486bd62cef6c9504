"""Write figures to files."""

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
    """Check that a figure can be written to a file, before any work is done.

    Parameters
    ----------
    path : Path
        The file to write later.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or if the suffix names no kind of picture.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed, and pictures need it; `pip install matplotlib`"
        ) from error
    if _format(path) not in FigureCanvasBase.get_supported_filetypes():
        raise UsageError(f"{path}: no kind of picture; name it .png, .svg or .pdf")


def save(figure: Figure, path: Path, dpi: int = _DPI) -> None:
    """Write a figure to a file, in the format of its suffix.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : Path
        The file; an existing one is replaced only after the figure was drawn.
    dpi : int
        Resolution in dots per inch.

    Raises
    ------
    UsageError
        If the file cannot be written, or if its suffix names no kind of picture.
    """
    check_target(path)
    data = to_bytes(figure, _format(path), dpi)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from error


def to_bytes(figure: Figure, kind: str = "png", dpi: int = _DPI) -> bytes:
    """Return a figure as the bytes of a picture file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    kind : str
        Format of the picture: "png", "svg" or "pdf".
    dpi : int
        Resolution in dots per inch.
    """
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # no installed font has this script
        figure.savefig(data, format=kind, dpi=dpi)
    return data.getvalue()


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()
