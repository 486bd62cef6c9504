"""Settings: where things lie and how many work. What is stored says by which model it was made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


def default_address() -> str:
    """``FINGERPRINTER_DB``, or a library in the user's data folder."""
    return os.environ.get("FINGERPRINTER_DB") or f"sqlite:///{_user_folder('data') / 'library.db'}"


def _user_folder(kind: str) -> Path:
    """The user's folder for this program's data or cache, as the platform has it."""
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("fingerprinter", appauthor=False))


def _cache_folder() -> Path:
    """``FINGERPRINTER_CACHE``, or the user's cache folder."""
    named = os.environ.get("FINGERPRINTER_CACHE")
    return Path(named) if named else _user_folder("cache")


def _text_model_folder() -> Path | None:
    """``FINGERPRINTER_TEXT_MODEL``, if it names one."""
    named = os.environ.get("FINGERPRINTER_TEXT_MODEL")
    return Path(named) if named else None


def _cores() -> int:
    """The cores this process may use, not those the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """cache: folder of derived files; jobs: worker processes of `index`.

    text_model: folder of the model by which `search` hears words; None: by tags
    """

    cache: Path = field(default_factory=_cache_folder)
    jobs: int = field(default_factory=_cores)
    text_model: Path | None = field(default_factory=_text_model_folder)
