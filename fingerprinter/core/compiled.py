"""Whether the hot loops of a search run as machine code.

Loading numba and what it has compiled takes longer than a search (0.7 s; the first time on a
machine some seconds more, to compile). So a process searches in NumPy until `load` is called,
which one that lives long does once; both give the same answers.
"""

from __future__ import annotations

import logging
from types import ModuleType

_log = logging.getLogger(__name__)
_kernels: ModuleType | None = None
_tried = False


def kernels() -> ModuleType | None:
    """The module `fingerprinter.core.kernels`, or None where it was not loaded."""
    return _kernels


def load() -> None:
    """Loads the machine code, once; where numba is not there or has no cache, NumPy goes on."""
    global _kernels, _tried
    if _tried:
        return
    _tried = True
    try:
        from fingerprinter.core import kernels as loaded
    except (ImportError, RuntimeError) as error:
        _log.info("searching in NumPy: %s", error)
        return
    _kernels = loaded
