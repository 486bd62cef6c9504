"""Where the tracks of a question lie among all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from fingerprinter.errors import ModelError, UnknownTrackError
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.types import Track

Rows = npt.NDArray[np.intp]


def rows_of(space: LibraryVectors, tracks: Sequence[Track]) -> Rows:
    """The row of each track in the space.

    Raises `ModelError` where no track at all has an embedding, `UnknownTrackError` for a
    track that has none.
    """
    require_embeddings(space)
    ids = np.array([track.id for track in tracks], np.int64)
    rows = np.minimum(np.searchsorted(space.ids, ids), len(space) - 1)
    for track_id in ids[space.ids[rows] != ids].tolist():
        raise UnknownTrackError(
            f"track {track_id} has no embedding; run `fingerprinter index` on its folder"
            " without --no-embeddings"
        )
    return rows


def require_embeddings(space: LibraryVectors) -> None:
    """Raises `ModelError` where no track has an embedding."""
    if not len(space):
        raise ModelError(
            "no track of the library has an embedding;"
            " run `fingerprinter index` without --no-embeddings"
        )


def first_of_each(values: Iterable[str]) -> npt.NDArray[np.int64]:
    """A number for each value, the same for the same, and -1 for the empty ones.

    >>> first_of_each(["a", "", "b", "a"]).tolist()
    [0, -1, 1, 0]
    """
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(value, len(numbers)) if value else -1 for value in values], np.int64
    )
