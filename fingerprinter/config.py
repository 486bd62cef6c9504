"""Run-time settings: the default library, the cache folder, the number of workers, the text model.

None of them changes what is stored. What decides stored data is in the parameters and the model
of a library, and every library names both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


def default_address() -> str:
    """Return the address of the default library.

    Returns
    -------
    str
        The environment variable ``FINGERPRINTER_DB``, else a database in the user's data folder.
    """
    return os.environ.get("FINGERPRINTER_DB") or f"sqlite:///{_user_folder('data') / 'library.db'}"


def _user_folder(kind: str) -> Path:
    """Return the user's folder for data or cache, as the platform defines it."""
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("fingerprinter", appauthor=False))


def _cache_folder() -> Path:
    path = os.environ.get("FINGERPRINTER_CACHE")
    return Path(path) if path else _user_folder("cache")


def _text_model_folder() -> Path | None:
    path = os.environ.get("FINGERPRINTER_TEXT_MODEL")
    return Path(path) if path else None


def _available_cores() -> int:
    """Return the number of cores that this process may use; the machine may have more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """Run-time settings of a library.

    Parameters
    ----------
    cache : Path
        Folder of derived files. Default: the environment variable ``FINGERPRINTER_CACHE``, else
        the user's cache folder.
    jobs : int
        Number of worker processes that analyse audio. Default: one for each core.
    text_model : Path or None
        Folder of the text-audio model for `search`; ``None`` searches by tags. Default: the
        environment variable ``FINGERPRINTER_TEXT_MODEL``.
    """

    cache: Path = field(default_factory=_cache_folder)
    jobs: int = field(default_factory=_available_cores)
    text_model: Path | None = field(default_factory=_text_model_folder)
