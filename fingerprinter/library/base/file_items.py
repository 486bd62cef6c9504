"""Types of items that are processed file by file, and of their results."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar


class HasPath(Protocol):
    """An item whose audio is in a file."""

    @property
    def path(self) -> Path:
        """The file."""


F = TypeVar("F", bound=HasPath)
R = TypeVar("R")
