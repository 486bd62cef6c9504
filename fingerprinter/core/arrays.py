"""Names for the array types of the package. The dtype is in the name, the shape in the docstring.

Every module takes its aliases from here, so that one name means one dtype everywhere.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
"""Samples, spectrograms, peaks, embeddings: 32 bits carry all of their precision."""

Doubles: TypeAlias = npt.NDArray[np.float64]
"""Sums, statistics and times in seconds."""

Complexes: TypeAlias = npt.NDArray[np.complex64]
"""Spectra of 32-bit samples."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
"""Raw bytes of packed data, and values of eight bits."""

Ints: TypeAlias = npt.NDArray[np.int32]
"""Whole frames and bins."""

Longs: TypeAlias = npt.NDArray[np.int64]
"""Counts, packed keys and postings."""

Hashes: TypeAlias = npt.NDArray[np.uint32]
"""Landmark hashes."""

Words: TypeAlias = npt.NDArray[np.uint64]
"""Bit strings, 64 bits a word."""

Grades: TypeAlias = npt.NDArray[np.int8]
"""Small numbers, such as the grade of a peak."""

Indices: TypeAlias = npt.NDArray[np.intp]
"""Positions in another array, as NumPy returns them."""

Ids: TypeAlias = npt.NDArray[np.int64]
"""Track ids of the library."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""One flag for each element of another array."""
