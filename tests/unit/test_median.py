"""The median is that of NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fingerprinter.core.numeric.median import median

numbers = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)


@given(arrays(np.float32, st.integers(1, 9), elements=numbers))
def test_the_median_is_that_of_numpy(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    expected = np.float32(np.median(values))
    assert median(values).tobytes() == expected.tobytes() or np.isnan(expected)
    assert np.isnan(median(values)) == np.isnan(expected)
