"""Filters of a similarity search: which tracks may be results."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.arrays import Ids
from fingerprinter.store.tables import lists
from fingerprinter.store.tables.lists import NO_FILTER, TrackFilter

__all__ = ["NO_FILTER", "TrackFilter", "admitted_ids"]


def admitted_ids(connection: Connection, only: TrackFilter) -> Ids | None:
    """Find the tracks that meet the conditions of a filter.

    Parameters
    ----------
    connection
        Connection to the library.
    only
        The conditions.

    Returns
    -------
    (n,) int64 or None
        Sorted ids of the tracks; None if the filter has no condition.
    """
    if only == NO_FILTER:
        return None
    return np.array(lists.track_ids(connection, only, "id"), np.int64)
