"""State that the routes share: the library, its caches, the jobs and the limits."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fingerprinter.core.printable import printable
from fingerprinter.errors import FingerprinterError, UsageError
from fingerprinter.library import Library, open_library
from fingerprinter.library.base.snapshots import SnapshotCache
from fingerprinter.library.maintain.statistics import LibraryStats
from fingerprinter.server import derived
from fingerprinter.server.access import Role, Viewer
from fingerprinter.server.gates import Gate
from fingerprinter.server.jobs import JobRunner, Kind, OnJobProgress, Report, progress_of
from fingerprinter.server.models import text
from fingerprinter.server.problems import ForbiddenError, TokenError
from fingerprinter.server.settings import ServerSettings
from fingerprinter.server.stations import Stations
from fingerprinter.server.subsonic.catalogue import Catalogue, catalogue_of
from fingerprinter.store.tables.jobs import StoredJob
from fingerprinter.types import CHANGING

_log = logging.getLogger(__name__)
MAX_THREADS = 64  # more than all gates let wait, so that a list is answered while searches wait
_MAX_CHANGING = 1000  # the next sweep finds more
_WAITING = 16  # requests that may wait for a search or a picture
_MIXES_WAITING = 4  # ... for all recordings of a long clip


class Service:
    """The library behind the routes, and everything that is kept between requests.

    Attributes
    ----------
    searches, mixes, pictures : Gate
        Limits of identification and similarity, of long clips with many recordings, which leave
        room for short ones, and of what is drawn or decoded.
    covers : Gate
        Limit of covers that are made smaller. None is refused: a player asks for a page of them.
    ready : bool
        Whether the first request is answered as fast as all others.
    stations : Stations
        The stations that are listened to.
    is_closing : bool
        Whether the service ends; streams of events end then.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.library: Library = open_library(settings.library, read_only=settings.read_only)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self.searches, self.pictures = Gate(cores, _WAITING), Gate(cores, _WAITING)
        self.covers = Gate(cores, MAX_THREADS)
        self.mixes = Gate(max(1, cores // 2), _MIXES_WAITING)
        self.jobs = self.library.service.jobs
        self._runner = JobRunner(self.jobs, self._do)
        self._catalogue = SnapshotCache[Catalogue]()
        self.stations = Stations(self.library, settings)
        self.ready = self.is_closing = False

    def start(self) -> None:
        """Begin to work, and warm up in the background."""
        if not self.settings.read_only:
            self._runner.start()
        self.stations.start()
        self.ready = not self.settings.warm_up
        if self.settings.warm_up:
            threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def close(self) -> None:
        """End the stations and jobs, and close the library."""
        self.stations.close()
        self._runner.stop()
        self.library.close()

    def _warm_up(self) -> None:
        try:
            self.library.warm_up()
        except FingerprinterError as error:
            _log.error("not ready: %s", error)
        else:
            self.ready = True
            _log.info("ready")

    def cache(self, name: str) -> Path:
        """Return the folder of one kind of derived files."""
        return self.library.cache_folder() / name

    def stats(self, viewer: Viewer) -> LibraryStats:
        """Return the counts of the library; its address is for those who have the token."""
        found = self.library.stats()
        return found if viewer.sees_paths else replace(found, address="")

    def catalogue(self) -> Catalogue:
        """Return artists, albums and genres; they are kept until the library changes."""
        revision = self.library.revision()
        return self._catalogue.get(revision, lambda: catalogue_of(self.library.lists.album_parts()))

    def add_job(self, kind: Kind, request: Report, *, once: bool = False) -> StoredJob:
        """Add a job to the queue, see `JobTable.add`."""
        job = self.jobs.add(kind, request, once=once)
        self._runner.wake()
        return job

    def _do(self, job: StoredJob, on_progress: OnJobProgress) -> Report:
        """Do a job and return its report."""

        def tell(value: Any) -> None:
            on_progress(progress_of(value))

        if job.kind == "index":
            return self._index(job.request, tell)
        if job.kind == "analyze":
            return asdict(self.library.analyze_all(on_progress=tell))
        if job.kind == "duplicates":
            revision = self.library.revision()
            found = self.library.duplicates(on_progress=tell)
            derived.write_duplicates(self.cache("server"), revision, found)
            problems = [asdict(problem) for problem in found.problems]
            return {"groups": len(found.groups), "problems": problems}
        sound_map = derived.make_map(self.library, self.cache("server"))
        return {"tracks": len(sound_map.ids), "revision": sound_map.revision}

    def _index(self, request: Report, tell: Callable[[Any], None]) -> Report:
        """Index paths; the report names files that were left out because they are changing."""
        changing = list[str]()

        def leave_out(path: str, kind: str) -> None:
            if kind == CHANGING and path == text(path) and len(changing) < _MAX_CHANGING:
                changing.append(path)

        still_s = request.get("still_s")
        report = self.library.index(
            request["paths"],
            prune=request["prune"],
            embeddings=request["embeddings"],
            changed_before=None if still_s is None else time.time() - still_s,
            on_progress=tell,
            on_left_out=leave_out,
        )
        return asdict(report) | {"changing": changing}

    def indexed_paths(self, paths: list[str]) -> list[str]:
        """Return the folders that a job may index.

        Raises
        ------
        UsageError
            If no path is given and none is configured, or one can be no path.
        ForbiddenError
            If a path lies outside the configured folders.
        """
        folders = list(map(_resolved, self.settings.folders))
        wanted = list(map(_resolved, paths)) or folders
        if not wanted:
            raise UsageError("name the folders to index, or configure `folders` of the server")
        for path in wanted:
            if folders and not any(path.is_relative_to(folder) for folder in folders):
                raise ForbiddenError(f"{path}: outside the folders that this server may index")
        return [str(path) for path in wanted]


def _resolved(path: str) -> Path:
    """Return a path without links and ``..``; ``~`` is the home folder."""
    try:
        return Path(os.path.expanduser(path)).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in it, or links in a circle
        raise UsageError(f"{printable(path)}: no path of a file or folder") from error


def require(role: Role, viewer: Viewer) -> None:
    """Check that a client has a role.

    Raises
    ------
    TokenError
        If it has not.
    """
    if viewer.role < role:
        raise TokenError("this needs the token; send `Authorization: Bearer TOKEN` or log in")
