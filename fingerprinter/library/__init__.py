"""The use cases: indexing, identification, similarity, discovery and maintenance of a library."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fingerprinter.library.base.defaults import MIN_CONFIDENCE
    from fingerprinter.library.identify.recognizer import Recognition
    from fingerprinter.library.library import Library
    from fingerprinter.library.opening import (
        SchemaStatus,
        open_library,
        schema_status,
        upgrade_schema,
    )

__all__ = [
    "MIN_CONFIDENCE",
    "Library",
    "Recognition",
    "SchemaStatus",
    "open_library",
    "schema_status",
    "upgrade_schema",
]


def __getattr__(name: str) -> Any:
    """Load a name at its first use. The modules below that need no SQL are loaded without it."""
    places = {
        "MIN_CONFIDENCE": "base.defaults",
        "Library": "library",
        "Recognition": "identify.recognizer",
    }
    if name in __all__:
        module = import_module(f"{__name__}.{places.get(name, 'opening')}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
