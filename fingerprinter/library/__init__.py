"""The use cases: indexing, identification, similarity, discovery and maintenance of a library."""

from fingerprinter.library.base.defaults import MIN_CONFIDENCE
from fingerprinter.library.identify.recognizer import Recognition
from fingerprinter.library.library import Library
from fingerprinter.library.opening import SchemaStatus, open_library, schema_status, upgrade_schema

__all__ = [
    "MIN_CONFIDENCE",
    "Library",
    "Recognition",
    "SchemaStatus",
    "open_library",
    "schema_status",
    "upgrade_schema",
]
