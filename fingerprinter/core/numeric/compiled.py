"""Whether the hot loops of searches and merges run as machine code.

Loading numba and what it has compiled takes longer than a search (0.7 s; the first time on a
machine some seconds more, to compile), and loading SciPy's Fourier transform 0.4 s. So a process
works in NumPy until `load` is called, which one that lives long or merges much does once; both
give the same answers. The transforms differ in the last bit; the loops do not.
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
    """NumPy's Fourier transform of real rows, or SciPy's once loaded, in a fifth of the time."""
    return _rfft


def kernels() -> ModuleType | None:
    """The module `fingerprinter.core.numeric.kernels`, or None where it was not loaded."""
    return _kernels


def load() -> None:
    """Loads both, once; where numba is not there or has no cache, the loops stay in NumPy."""
    global _kernels, _rfft, _tried
    if _tried:
        return
    _tried = True
    from scipy.fft import rfft

    _rfft = rfft
    try:
        from fingerprinter.core.numeric import kernels as loaded
    except (ImportError, RuntimeError) as error:
        _log.info("no machine code, NumPy does its work: %s", error)
        return
    _kernels = loaded
