"""Types of items that are processed file by file, and of their results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeVar


class HasPath(Protocol):
    """An item whose audio is in a file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def source(self) -> os.PathLike[str]:
        """What a worker needs to know: the path, or a value with more about the file."""


F = TypeVar("F", bound=HasPath)
R = TypeVar("R")
