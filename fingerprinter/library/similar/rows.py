"""Finds the rows of tracks in the arrays of a library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from fingerprinter.errors import ModelError, UnknownTrackError
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.types import Track

Rows = npt.NDArray[np.intp]


def rows_of(space: LibraryVectors, tracks: Sequence[Track]) -> Rows:
    """Find the row of each track.

    Parameters
    ----------
    space
        All embeddings of the library.
    tracks
        Tracks of the library.

    Returns
    -------
    (n,) intp
        The row of each track in ``space.vectors``.

    Raises
    ------
    ModelError
        If no track of the library has an embedding.
    UnknownTrackError
        If one of the tracks has none.
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
    """Raise `ModelError` if no track of the library has an embedding."""
    if not len(space):
        raise ModelError(
            "no track of the library has an embedding;"
            " run `fingerprinter index` without --no-embeddings"
        )


def first_of_each(values: Iterable[str]) -> npt.NDArray[np.int64]:
    """Number the distinct values in the order of their first occurrence.

    Returns
    -------
    (n,) int64
        Equal values have the same number. Empty values have -1.

    Examples
    --------
    >>> first_of_each(["a", "", "b", "a"]).tolist()
    [0, -1, 1, 0]
    """
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(value, len(numbers)) if value else -1 for value in values], np.int64
    )
