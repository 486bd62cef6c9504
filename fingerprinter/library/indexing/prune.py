"""Forgets files that are gone, but none that merely cannot be read.

A disk that is not mounted leaves an empty folder, a dead network mount an error. Neither says that
the files are gone, so both are reported, and nothing is forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from sqlalchemy import Connection

from fingerprinter.core.printable import printable
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import files, library_metadata, names, tracks
from fingerprinter.types import Problem

Confirm = Callable[[str], bool]


def is_gone(path: str | bytes) -> bool:
    """Return whether there certainly is no file of this name."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # no permission, a dead mount
        return False
    return False


def prune(
    database: Database,
    roots: Sequence[Path],
    present: Collection[Path],
    *,
    empty_roots: bool = False,
    confirm: Confirm | None = None,
) -> tuple[int, list[Problem]]:
    """Forget the files below some folders that are gone, and the tracks that lose their last file.

    Parameters
    ----------
    database : Database
        The library.
    roots : sequence of Path
        Files and folders that were searched for audio.
    present : collection of Path
        The audio files that were found there.
    empty_roots : bool
        Whether a folder without one audio file may lose all its files.
    confirm : callable, optional
        Is asked, with a question, before more than half of the files of a folder are forgotten.
        Without it, they are kept.

    Returns
    -------
    removed : int
        Number of tracks that were forgotten.
    problems : list of Problem
        One for each folder of which nothing was forgotten.
    """
    allowed, problems = list[bytes](), list[Problem]()
    for root in roots:
        with database.connect() as connection:
            known = files.file_stamps(connection, [root])
        gone = [path for path in known if is_gone(path)]
        shown, share = printable(str(root)), f"{len(gone)} of {len(known)} files are gone"
        is_empty = not any(path == root or root in path.parents for path in present)
        if gone and is_empty and not empty_roots:
            reason = "no audio file is left there; is its disk mounted? --prune-empty-root forgets"
            problems.append(Problem(str(root), f"{shown}: {share}, {reason} them"))
        elif 2 * len(gone) > len(known) and not (
            confirm and confirm(f"{shown}: {share}; forget them?")
        ):
            problems.append(Problem(str(root), f"{shown}: {share}, kept; --yes forgets them"))
        else:
            allowed += gone
    return (database.change(lambda connection: _forget(connection, allowed)), problems)


def _forget(connection: Connection, paths: Sequence[bytes]) -> int:
    """Forget files that are still gone, and tracks without another file; count these."""
    gone = [path for path in paths if is_gone(path)]
    losers = {id_ for path in gone for id_ in files.forget_file(connection, path)}
    orphans = losers.intersection(tracks.orphans(connection)) if losers else set[int]()
    for track_id in sorted(orphans):
        tracks.remove(connection, track_id)
    if losers:
        names.refresh(connection, losers - orphans)
        library_metadata.bump_revision(connection)
    return len(orphans)
