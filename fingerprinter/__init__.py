"""Audio fingerprinting and music search: identify recorded clips and find similar tracks.

Examples
--------
>>> import fingerprinter
>>> with fingerprinter.open_library("music.db") as library:      # doctest: +SKIP
...     library.index(["~/Music"])
...     for match in library.identify("clip.wav"):
...         print(match.track.title, match.offset_s, match.confidence)
"""

from typing import TYPE_CHECKING, Any

from fingerprinter.errors import FingerprinterError

if TYPE_CHECKING:
    from fingerprinter.library import Library, open_library

__all__ = ["FingerprinterError", "Library", "open_library"]


def __getattr__(name: str) -> Any:
    """Load the library at its first use. Processes that only decode need neither it nor SQL."""
    if name in __all__:
        from fingerprinter import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
