"""Audio fingerprinting and music search: identify recorded clips and find similar tracks.

Examples
--------
>>> import fingerprinter
>>> with fingerprinter.open_library("music.db") as library:      # doctest: +SKIP
...     library.index(["~/Music"])
...     for match in library.identify("clip.wav"):
...         print(match.track.title, match.offset_s, match.confidence)
"""

from fingerprinter.errors import FingerprinterError
from fingerprinter.library import Library, open_library

__all__ = ["FingerprinterError", "Library", "open_library"]
