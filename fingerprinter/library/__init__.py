"""Use cases: the only room where the roads cross."""

from fingerprinter.library.facade import Library, LibraryStats, open_library
from fingerprinter.library.indexing import OnProgress, Progress

__all__ = ["Library", "LibraryStats", "OnProgress", "Progress", "open_library"]
