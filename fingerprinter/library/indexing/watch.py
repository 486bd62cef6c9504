"""Watch folders: say which files are to be indexed, and when.

The operating system reports which files change. A file is due once it has not changed for ten
seconds. A sweep over all folders every half hour finds what the system does not report: changes
that another computer makes on a network share, disks that were mounted later, and too many changes
at once.

Nothing is indexed here. The caller hands what is due to `Library.index`.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fingerprinter.audio import AUDIO_SUFFIXES, find_audio_at
from fingerprinter.errors import UsageError

STILL_S = 10.0
"""Seconds for which a file must be still before it is indexed."""
SWEEP_S = 1800.0
"""Seconds from the beginning of one sweep to the next."""

_MAX_FILES = 1000  # more changed files than these are left to a sweep
_MAX_WAITING = 100_000  # more changed paths than these are left to a sweep
_RETRY_S = 60.0  # after a sweep that failed
_TICK_S = 1.0
_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(
    r"9p|afs|ceph|cifs|fuse(\..*)?|glusterfs|lustre|ncpfs|nfs\d?|smb3|smbfs|virtiofs"
)

Events = Callable[[Sequence[Path], threading.Event], Generator[Collection[Path], None, None]]


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be indexed.

    Attributes
    ----------
    paths : tuple of Path
        Changed files; all watched folders in a sweep.
    is_sweep : bool
        Whether everything is searched. Only then can it be known which files are gone.
    """

    paths: tuple[Path, ...]
    is_sweep: bool


class FolderWatcher:
    """Watches folders and files.

    Parameters
    ----------
    roots : sequence of path
        Folders and files.
    exclude : sequence of str
        See `Library.index`.
    sweep_after_removal : bool
        Whether a sweep follows when audio files were removed, so that they can be forgotten.
    on_problem : callable
        Receives a line if the system cannot report changes.
    still_s, sweep_s : float
        See `STILL_S` and `SWEEP_S`.
    clock : callable
        Returns a time in seconds, as `time.monotonic` does.
    events : callable, optional
        Takes the folders to watch and an event that ends it. Yields changed paths, and at least
        once a second what may be empty. Default: those of the operating system.

    Raises
    ------
    UsageError
        If watchfiles is needed and not installed.
    """

    def __init__(
        self,
        roots: Sequence[str | os.PathLike[str]],
        *,
        exclude: Sequence[str] = (),
        sweep_after_removal: bool = False,
        on_problem: Callable[[str], None] = lambda _: None,
        still_s: float = STILL_S,
        sweep_s: float = SWEEP_S,
        clock: Callable[[], float] = time.monotonic,
        events: Events | None = None,
    ) -> None:
        self._roots = tuple(Path(os.path.abspath(os.path.expanduser(root))) for root in roots)
        self._exclude, self._sweep_after_removal = exclude, sweep_after_removal
        self._on_problem, self._told = on_problem, ""
        self._still_s, self._sweep_s, self._clock = still_s, sweep_s, clock
        self._due_at: dict[Path, float] = {}
        self._sweep_at = 0.0
        self._events = events or self._system_events
        if events is None:
            check_watchfiles()

    def run(self, stop: threading.Event) -> Iterator[Due]:
        """Yield what is due, a sweep first, until an event is set.

        Parameters
        ----------
        stop : threading.Event
            Is set to end it, within a second.

        Yields
        ------
        Due
            While the caller indexes it, further changes are collected.
        """
        while not stop.is_set():
            has_swept = False
            # The folders are watched before they are swept, so that no change is missed between,
            # and again before each sweep, for disks that were mounted meanwhile.
            with closing(self._events(self._watchable(), stop)) as events:
                for paths in events:
                    self.note(paths)
                    if not has_swept:
                        has_swept = True
                        self._sweep_at = self._clock() + self._sweep_s
                        yield Due(self._roots, is_sweep=True)
                    elif self._clock() >= self._sweep_at:
                        break
                    elif files := self._still_files():
                        yield Due(files, is_sweep=False)

    def note(self, paths: Iterable[Path]) -> None:
        """Note that paths have changed, or that their files were still changing when indexed."""
        due_at = self._clock() + self._still_s
        self._due_at.update(dict.fromkeys(paths, due_at))
        if len(self._due_at) > _MAX_WAITING:
            self._due_at.clear()
            self._sweep_at = due_at

    def retry(self, due: Due) -> None:
        """Note that something could not be indexed, and is to be tried again."""
        if due.is_sweep:
            self._sweep_at = self._clock() + _RETRY_S
        else:
            self.note(due.paths)

    def _watchable(self) -> list[Path]:
        """Return the roots of which the system reports all changes."""
        return [root for root in self._roots if os.path.exists(root) and not is_remote(root)]

    def _still_files(self) -> tuple[Path, ...]:
        """Take the places that are due, and return the audio files there."""
        now = self._clock()
        places = [path for path, due_at in self._due_at.items() if due_at <= now]
        for place in places:
            del self._due_at[place]
        # A cue sheet says which tracks the files of its folder hold.
        searched = {path.parent if path.suffix.lower() == ".cue" else path for path in places}
        found = {
            file: None
            for place in sorted(searched)
            for root in self._roots
            if root == place or root in place.parents
            for file in find_audio_at(place, root, self._exclude)
        }
        removed = self._sweep_after_removal and any(map(_may_be_lost_audio, places))
        if removed or len(found) > _MAX_FILES:
            self._sweep_at = now
            return ()
        return tuple(found)

    def _system_events(
        self, roots: Sequence[Path], stop: threading.Event
    ) -> Generator[Collection[Path], None, None]:
        """Yield changed paths as the system reports them; empty sets if it cannot."""
        import watchfiles

        try:
            if roots:
                for changes in watchfiles.watch(
                    *roots,
                    watch_filter=None,
                    stop_event=stop,
                    rust_timeout=int(1000 * _TICK_S),
                    yield_on_timeout=True,
                    ignore_permission_denied=True,
                ):
                    yield [Path(path) for _, path in changes]
        except (OSError, RuntimeError) as error:  # watchfiles raises both for limits
            self._tell(_reason(error, self._sweep_s))
        yield ()
        while not stop.wait(_TICK_S):
            yield ()

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._on_problem(message)
        self._told = message


def is_remote(path: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether other computers can change a path without a report of this system.

    Parameters
    ----------
    path : Path
        A file or folder.
    mounts : Path
        The system's list of mounted file systems, as in proc_pid_mountinfo(5). Where there is none,
        no path is remote.
    """
    try:
        lines = os.fsdecode(mounts.read_bytes()).splitlines()
    except OSError:
        return False
    place, found, kind = Path(os.path.realpath(path)), Path(), ""
    for line in lines:
        mounted, _, rest = line.partition(" - ")
        escaped = mounted.split()[4]
        folder = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), escaped))
        covers = folder == place or folder in place.parents
        if covers and len(folder.parts) >= len(found.parts):  # the last mount covers earlier ones
            found, kind = folder, rest.split()[0]
    return _NETWORK.fullmatch(kind) is not None


def check_watchfiles() -> None:
    """Check that folders can be watched.

    Raises
    ------
    UsageError
        If watchfiles is not installed.
    """
    try:
        import watchfiles  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "watchfiles is not installed, and watching folders needs it;"
            ' `pip install "fingerprinter[watch]"`'
        ) from error


def _may_be_lost_audio(path: Path) -> bool:
    is_audio_or_folder = not path.suffix or path.suffix.lower() in AUDIO_SUFFIXES
    return is_audio_or_folder and not os.path.lexists(path)


def _reason(error: Exception, sweep_s: float) -> str:
    """Return why the system does not report changes, and what helps."""
    sweep = f"changes are found every {sweep_s / 60:.0f} minutes only"
    if "watch limit" in str(error):
        remedy = "sudo sysctl fs.inotify.max_user_watches=1048576"
        return f"the system watches no more folders for this user; {sweep}; `{remedy}` allows more"
    if "os error 24" in str(error):
        remedy = "sudo sysctl fs.inotify.max_user_instances=1024"
        return f"too many programs of this user watch folders; {sweep}; `{remedy}` allows more"
    return f"the system does not tell of changes ({error}); {sweep}"
