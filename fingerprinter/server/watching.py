"""Adds a job for what changes in the folders of the service."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from fingerprinter.errors import FingerprinterError
from fingerprinter.library import open_library
from fingerprinter.library.indexing.watch import STILL_S, Due, FolderWatcher
from fingerprinter.library.maintain.jobs import JobTable
from fingerprinter.server.models import text
from fingerprinter.server.settings import ServerSettings
from fingerprinter.store.tables.jobs import StoredJob

_log = logging.getLogger(__name__)
_POLL_S = 1.0


def watch_folders(
    settings: ServerSettings, stop: threading.Event, *, still_s: float = STILL_S
) -> None:
    """Add a job for all folders at first and every half hour, and for changed files meanwhile.

    The next job is added when the last one is over. Changes are collected until then.

    Parameters
    ----------
    settings : ServerSettings
        Settings with the library and the folders.
    stop : threading.Event
        Is set to end it.
    still_s : float
        Seconds for which a file must be still.
    """
    watcher = FolderWatcher(
        settings.folders,
        sweep_after_removal=settings.prune,
        on_problem=_log.warning,
        still_s=still_s,
    )
    with open_library(settings.library) as library:
        table = library.service.jobs
        for due in watcher.run(stop):
            try:
                job = _wait(table, _add(table, due, settings.prune, still_s), stop)
            except FingerprinterError as error:  # the queue is full, or the database is away
                _log.error("watching: %s", error)
                watcher.retry(due)
                continue
            if job and job.state != "done":
                watcher.retry(due)
            elif job and job.report:
                watcher.note(map(Path, job.report["changing"]))


def _add(table: JobTable, due: Due, prune: bool, still_s: float) -> StoredJob:
    request = {
        # JSON holds no names that are no Unicode; a sweep finds those files.
        "paths": [path for path in map(str, due.paths) if path == text(path)],
        "prune": prune and due.is_sweep,
        "embeddings": True,
        "still_s": still_s,
    }
    return table.add("index", request)


def _wait(table: JobTable, job: StoredJob, stop: threading.Event) -> StoredJob | None:
    """Return a job when it is over; None if watching ends before."""
    while not job.is_over:
        if stop.wait(_POLL_S):
            return None
        job = table.get(job.id)
    return job
