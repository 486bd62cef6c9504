"""Find the audio files in a list of files and folders."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fingerprinter.audio.ignore import IgnoreRules
from fingerprinter.audio.source import printable
from fingerprinter.types import Problem

# Formats that FFmpeg decodes and in which people keep music. Playlists, MIDI and tracker modules
# hold no audio.
_AUDIO = """
    .aac .ac3 .aif .aifc .aiff .alac .amr .ape .au .caf .dff .dsf .dts .eac3 .flac .m4a .m4b .m4r
    .mka .mp1 .mp2 .mp3 .mpc .oga .ogg .opus .ra .rf64 .shn .snd .spx .tak .tta .w64 .wav .wave
    .weba .wma .wv
"""
_VIDEO = """
    .3g2 .3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .rm .ts .vob .webm .wmv
"""
AUDIO_SUFFIXES = frozenset(_AUDIO.split() + _VIDEO.split())
"""Suffixes of files that can hold audio, in lower case with their dot."""

_REASONS: dict[type[Exception], str] = {
    FileNotFoundError: "no such file or folder",
    PermissionError: "no permission to read it",
}


def find_audio(
    paths: Iterable[str | os.PathLike[str]],
    on_problem: Callable[[Problem], None] = lambda _: None,
    exclude: Sequence[str] = (),
) -> Iterator[Path]:
    """Yield the audio files that a list of files and folders names.

    A file in the list is yielded with any suffix. A folder is searched with all folders below
    it, sorted by name, for files with a suffix in ``AUDIO_SUFFIXES``. Hidden entries are skipped,
    and a folder that several links lead to is entered once. Files `.fingerprinterignore` leave out
    what they name (`fingerprinter.audio.ignore`).

    Parameters
    ----------
    paths : iterable of str or path
        Files and folders; ``~`` is the home folder.
    on_problem : callable
        Receives a ``Problem`` for each path that is missing or cannot be listed.
    exclude : sequence of str
        Globs, in the syntax of .gitignore, of what in each folder of the list is left out.

    Yields
    ------
    Path
        The files, in the order of ``paths``.

    Raises
    ------
    UsageError
        If a glob cannot be understood.
    """
    for path in paths:
        try:
            expanded = Path(os.path.expanduser(path))
            mode = expanded.stat().st_mode
            if stat.S_ISDIR(mode):
                yield from _search(expanded, on_problem, exclude)
            elif stat.S_ISREG(mode):
                yield expanded
            else:  # reading a pipe might never end, and it could not be found again
                raise OSError(errno.EINVAL, "not a regular file")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            on_problem(_problem(os.fspath(path), error))


def _search(
    root: Path, on_problem: Callable[[Problem], None], exclude: Sequence[str]
) -> Iterator[Path]:
    """Search depth first, with a stack: folders can be nested deeper than calls in Python."""
    seen: set[tuple[int, int]] = set()
    rules = IgnoreRules(root, exclude, on_problem)
    stack = _entries(root, seen, on_problem)
    while stack:
        entry = stack.pop()
        try:
            is_folder = entry.is_dir()
            if rules.leaves_out(Path(entry.path), is_folder=is_folder):
                continue
            if is_folder:
                stack += _entries(entry, seen, on_problem)
            elif os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES:  # noqa: PTH122 (speed)
                if not stat.S_ISREG(entry.stat().st_mode):  # reading a pipe might never end
                    raise OSError(errno.EINVAL, "not a regular file")
                yield Path(entry.path)
        except OSError as error:
            on_problem(_problem(entry.path, error))


def _entries(
    folder: os.PathLike[str],
    seen: set[tuple[int, int]],
    on_problem: Callable[[Problem], None],
) -> list[os.DirEntry[str]]:
    """List a folder, last name first; empty if it was listed before, as in a loop of links."""
    try:
        status = os.stat(folder)  # noqa: PTH116 (DirEntry has no Path.stat)
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        on_problem(_problem(os.fspath(folder), error))
        return []
    return sorted(visible, key=lambda entry: entry.name, reverse=True)


def _problem(path: str, error: Exception) -> Problem:
    reason = _REASONS.get(type(error)) or getattr(error, "strerror", None) or str(error)
    return Problem(path, f"{printable(path)}: {reason}")
