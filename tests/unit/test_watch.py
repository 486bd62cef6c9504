"""Which files a watched folder makes due, and when: with a clock of our own, in real folders."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path

import pytest

from fingerprinter.library.indexing.watch import Due, FolderWatcher, is_remote

Act = Callable[[], Collection[Path] | None]


class Clock:
    """A clock that stands still between the steps of a script."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(
    root: Path, script: Sequence[tuple[float, Act]], **options: object
) -> list[tuple[float, bool, set[str]]]:
    """Play changes, each at its second, and return what became due: time, whether a sweep, names.

    Each act of the script may change the folder, and returns the paths that the system tells.
    """
    clock, stop = Clock(), threading.Event()
    steps = iter(script)

    def events(
        roots: Sequence[Path], stop: threading.Event
    ) -> Generator[Collection[Path], None, None]:
        yield ()
        for clock.now, act in steps:
            yield act() or ()
        stop.set()

    watcher = FolderWatcher([root], clock=clock, events=events, **options)  # type: ignore[arg-type]
    return [
        (clock.now, due.is_sweep, {path.name for path in due.paths}) for due in watcher.run(stop)
    ]


def nothing() -> None:
    """Let time pass."""


def written(*paths: Path) -> Act:
    def act() -> Collection[Path]:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"sound")
        return paths

    return act


def removed(path: Path) -> Act:
    def act() -> Collection[Path]:
        path.unlink()
        return [path]

    return act


def changed_files(found: list[tuple[float, bool, set[str]]]) -> list[tuple[float, set[str]]]:
    return [(at, names) for at, is_sweep, names in found if not is_sweep]


def sweeps(found: list[tuple[float, bool, set[str]]]) -> list[float]:
    return [at for at, is_sweep, _ in found if is_sweep]


def test_a_file_is_due_when_it_was_still_for_ten_seconds(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    script = [(1, written(song)), (8, written(song)), (17, nothing), (18, nothing), (40, nothing)]
    assert changed_files(watched(tmp_path, script)) == [(18, {"song.mp3"})]


def test_everything_is_searched_at_first_and_every_half_hour(tmp_path: Path) -> None:
    script = [(at, nothing) for at in (1, 1799, 1800, 1801, 3599, 3601, 3602)]
    found = watched(tmp_path, script)
    assert sweeps(found) == [0, 1800, 3601]
    assert found[0][2] == {tmp_path.name}


def test_a_folder_that_appears_is_searched(tmp_path: Path) -> None:
    def move_in() -> Collection[Path]:
        written(tmp_path / "album" / "cd 1" / "song.flac", tmp_path / "album" / "cover.jpg")()
        return [tmp_path / "album"]

    script = [(1, move_in), (11, nothing)]
    assert changed_files(watched(tmp_path, script)) == [(11, {"song.flac"})]


def test_a_cue_sheet_makes_the_files_of_its_folder_due(tmp_path: Path) -> None:
    written(tmp_path / "album" / "album.flac", tmp_path / "other.mp3")()
    script = [(1, written(tmp_path / "album" / "album.cue")), (11, nothing)]
    assert changed_files(watched(tmp_path, script)) == [(11, {"album.flac"})]


def test_only_what_a_search_of_the_folder_finds_is_due(tmp_path: Path) -> None:
    (tmp_path / ".fingerprinterignore").write_text("drafts/\n")
    names = ["library.db", "._song.mp3", ".git/x.mp3", "drafts/a/x.mp3", "loops/x.mp3", "song.mp3"]
    script = [(1, written(*(tmp_path / name for name in names))), (11, nothing)]
    found = watched(tmp_path, script, exclude=["loops"])
    assert changed_files(found) == [(11, {"song.mp3"})]


def test_what_is_gone_is_left_to_a_sweep_that_follows_at_once(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    script = [(1, written(song)), (11, nothing), (20, removed(song)), (30, nothing), (31, nothing)]
    found = watched(tmp_path, script, sweep_after_removal=True)
    assert sweeps(found) == [0, 31]
    assert sweeps(watched(tmp_path, script)) == [0]


def test_a_rush_of_changes_is_left_to_a_sweep(tmp_path: Path) -> None:
    songs = [tmp_path / f"{number}.mp3" for number in range(1001)]
    script = [(1, written(*songs)), (11, nothing), (12, nothing), (13, nothing)]
    found = watched(tmp_path, script)
    assert sweeps(found) == [0, 12]
    assert changed_files(found) == []


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    clock, stop = Clock(), threading.Event()
    song = tmp_path / "song.mp3"
    written(song)()
    seconds = iter(range(100))

    def events(
        roots: Sequence[Path], stop: threading.Event
    ) -> Generator[Collection[Path], None, None]:
        for clock.now in seconds:
            yield ()
        stop.set()

    watcher = FolderWatcher([tmp_path], clock=clock, events=events)
    seen = []
    for due in watcher.run(stop):
        seen.append((clock.now, due.is_sweep))
        if len(seen) == 1:
            watcher.retry(Due((song,), is_sweep=False))
        elif len(seen) == 2:
            watcher.retry(Due((tmp_path,), is_sweep=True))
    assert seen == [(0, True), (10, False), (71, True)]


@pytest.mark.slow
def test_the_system_tells_of_a_change(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    stop, song = threading.Event(), tmp_path / "song.mp3"
    due = FolderWatcher([tmp_path], still_s=0.1).run(stop)
    assert next(due) == Due((tmp_path,), is_sweep=True)
    song.write_bytes(b"sound")
    assert next(due) == Due((song,), is_sweep=False)
    stop.set()
    assert next(due, None) is None


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("OS file watch limit reached. about [...]", "fs.inotify.max_user_watches"),
        ("Too many open files (os error 24)", "fs.inotify.max_user_instances"),
        ("Function not implemented", "every 30 minutes"),
    ],
)
def test_a_limit_of_the_system_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, remedy: str
) -> None:
    watchfiles = pytest.importorskip("watchfiles")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(message)

    monkeypatch.setattr(watchfiles, "watch", refuse)
    told: list[str] = []
    due = FolderWatcher([tmp_path], on_problem=told.append).run(threading.Event())
    assert next(due).is_sweep
    assert len(told) == 1
    assert remedy in told[0]
    assert "\n" not in told[0]


MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
41 27 0:31 / /mnt/nas rw shared:7 - cifs //nas/music rw
42 41 0:32 / /mnt/nas/usb rw - ext4 /dev/sdb1 rw
43 27 0:33 / /mnt/my\040music rw - nfs4 nas:/music rw
44 27 0:34 / /mnt/cloud rw - fuse.rclone remote: rw
45 27 0:35 / /mnt/windows rw - fuseblk /dev/sda2 rw
"""


@pytest.mark.skipif(os.name == "nt", reason="paths of Linux")
@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("/home/me/Music", False),
        ("/mnt/nas", True),
        ("/mnt/nas/albums", True),
        ("/mnt/nas/usb/albums", False),
        ("/mnt/nasty", False),
        ("/mnt/my music/albums", True),
        ("/mnt/cloud/albums", True),
        ("/mnt/windows/albums", False),
    ],
)
def test_network_mounts_are_known(tmp_path: Path, path: str, remote: bool) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert is_remote(Path(path), mounts) is remote
    assert not is_remote(Path(path), tmp_path / "none")
