"""Loads the compiled kernels, and gives access to them.

Loading numba and the kernels takes longer than a search (0.7 s, and some seconds for compiling
when they run for the first time on a machine). Loading SciPy's Fourier transform takes 0.4 s. So a
process works in NumPy until it calls `load`, which a process that runs long or merges much does
once. Both ways give the same answers: the kernels to the last bit, the Fourier transforms up to
it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

_log = logging.getLogger(__name__)
_kernels: ModuleType | None = None
_rfft: Callable[..., Any] = np.fft.rfft
_tried = False


def rfft() -> Callable[..., Any]:
    """Return NumPy's `rfft`, or SciPy's once it is loaded, which takes a fifth of the time."""
    return _rfft


def kernels() -> ModuleType | None:
    """Return `fingerprinter.core.numeric.kernels`, or None if it is not loaded."""
    return _kernels


def load() -> None:
    """Load both, once. Without numba, or without a folder for its cache, NumPy does the work."""
    global _kernels, _rfft, _tried
    if _tried:
        return
    _tried = True
    from scipy.fft import rfft

    _rfft = rfft
    try:
        from fingerprinter.core.numeric import kernels as loaded
    except (ImportError, RuntimeError) as error:
        _log.info("no compiled kernels, NumPy does their work: %s", error)
        return
    _kernels = loaded


def unload() -> None:
    """Go back to NumPy, as in a new process, to compare both ways."""
    global _kernels, _rfft, _tried
    _kernels, _rfft, _tried = None, np.fft.rfft, False
