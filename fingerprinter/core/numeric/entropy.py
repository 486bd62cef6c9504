"""How many values share most of a total, by its entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def effective_number(weights: npt.NDArray[Any]) -> float:
    """Return the exponential of the entropy of shares: n for n equal ones, near 1 for one large.

    Parameters
    ----------
    weights
        (n,) At least 0, of any total. Without any the number is 1.

    Examples
    --------
    >>> round(effective_number(np.array([2.0, 2.0, 0.0])), 6)
    2.0
    """
    shares = weights[weights > 0].astype(np.float64)
    shares /= shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
