"""Use cases: the only room where the roads cross."""

from fingerprinter.library.facade import (
    MIN_CONFIDENCE,
    Answer,
    Library,
    LibraryStats,
    SchemaStatus,
    open_library,
    schema_status,
    upgrade_schema,
)
from fingerprinter.library.indexing import OnProgress, Progress

__all__ = [
    "MIN_CONFIDENCE",
    "Answer",
    "Library",
    "LibraryStats",
    "OnProgress",
    "Progress",
    "SchemaStatus",
    "open_library",
    "schema_status",
    "upgrade_schema",
]
