"""Use cases: the only room where the roads cross."""

from fingerprinter.library.answers import Answer
from fingerprinter.library.confidences import MIN_CONFIDENCE
from fingerprinter.library.facade import Library
from fingerprinter.library.holdings import DiskUse, LibraryStats, PartSize
from fingerprinter.library.opening import (
    SchemaStatus,
    open_library,
    schema_status,
    upgrade_schema,
)

__all__ = [
    "MIN_CONFIDENCE",
    "Answer",
    "DiskUse",
    "Library",
    "LibraryStats",
    "PartSize",
    "SchemaStatus",
    "open_library",
    "schema_status",
    "upgrade_schema",
]
