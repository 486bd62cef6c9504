"""Merging of landmark segments, each merge in a transaction of its own."""

from __future__ import annotations

from functools import partial

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings


def merge_segments(database: Database, params: LandmarkParams) -> None:
    """Merge segments until no group of segments is due.

    The pages of the merged segments stay in the file for later segments. `Database.reclaim`
    returns them to the disk.

    Parameters
    ----------
    database : Database
        The library to merge in.
    params : LandmarkParams
        The parameters of its landmarks.
    """
    while database.change(partial(postings.merge_due, params=params)):
        pass
