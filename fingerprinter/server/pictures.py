"""Pictures as PNG in memory."""

from __future__ import annotations

from pathlib import Path

from fingerprinter.library.identify.explanation import Explanation

_DPI = 110  # 1100 pixels wide


def explanation_png(explanation: Explanation) -> bytes:
    """Draw an explanation.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    from fingerprinter.plotting import check_target, draw, to_bytes

    check_target(Path("picture.png"))
    return to_bytes(draw(explanation), dpi=_DPI)
