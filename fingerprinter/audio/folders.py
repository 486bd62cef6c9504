"""Which files a user means: files as given, folders searched for audio."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fingerprinter.audio.source import printable
from fingerprinter.types import Problem

# What FFmpeg decodes and people keep music in. Playlists, MIDI and tracker modules hold no sound.
_SOUND = """
    .aac .ac3 .aif .aifc .aiff .alac .amr .ape .au .caf .dff .dsf .dts .eac3 .flac .m4a .m4b .m4r
    .mka .mp1 .mp2 .mp3 .mpc .oga .ogg .opus .ra .rf64 .shn .snd .spx .tak .tta .w64 .wav .wave
    .weba .wma .wv
"""
_SOUND_AND_PICTURE = """
    .3g2 .3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .rm .ts .vob .webm .wmv
"""
AUDIO_SUFFIXES = frozenset(_SOUND.split() + _SOUND_AND_PICTURE.split())

_REASONS: dict[type[Exception], str] = {
    FileNotFoundError: "no such file or folder",
    PermissionError: "no permission to read it",
}


def _ignore(_: Problem) -> None: ...


def find_audio(
    paths: Iterable[str | os.PathLike[str]],
    on_problem: Callable[[Problem], None] = _ignore,
) -> Iterator[Path]:
    """Files as given, whatever their suffix; folders recursively, sorted, by ``AUDIO_SUFFIXES``.

    ``~`` is the home folder. Inside a folder, what is hidden is left out and
    linked folders are entered once. What is missing or may not be listed goes
    to ``on_problem``; nothing is raised.
    """
    for path in paths:
        try:
            yield from _expand(Path(path).expanduser(), on_problem)
        except (OSError, RuntimeError, ValueError) as error:  # no such user; a NUL in the name
            on_problem(_problem(os.fspath(path), error))


def _expand(path: Path, on_problem: Callable[[Problem], None]) -> Iterator[Path]:
    if stat.S_ISDIR(path.stat().st_mode):
        yield from _search(path, on_problem)
    else:
        yield path


def _search(root: Path, on_problem: Callable[[Problem], None]) -> Iterator[Path]:
    """Depth first with a stack of its own: folders nest deeper than Python's calls may."""
    seen: set[tuple[int, int]] = set()
    waiting = _entries(root, seen, on_problem)
    while waiting:
        entry = waiting.pop()
        try:
            if entry.is_dir():
                waiting += _entries(entry, seen, on_problem)
            elif _has_audio_suffix(entry.name):
                yield _regular(entry)
        except OSError as error:
            on_problem(_problem(entry.path, error))


def _entries(
    folder: os.PathLike[str],
    seen: set[tuple[int, int]],
    on_problem: Callable[[Problem], None],
) -> list[os.DirEntry[str]]:
    """What a folder holds, last name first; nothing if it was entered before (a loop of links)."""
    try:
        status = os.stat(folder)  # noqa: PTH116 (DirEntry has no Path.stat)
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        on_problem(_problem(os.fspath(folder), error))
        return []
    return sorted(shown, key=lambda entry: entry.name, reverse=True)


def _has_audio_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122 (50 times Path's speed)


def _regular(entry: os.DirEntry[str]) -> Path:
    """Its path. A device or pipe is refused: reading it might never end."""
    if not stat.S_ISREG(entry.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return Path(entry.path)


def _problem(path: str, error: Exception) -> Problem:
    reason = _REASONS.get(type(error)) or getattr(error, "strerror", None) or str(error)
    return Problem(path, f"{printable(path)}: {reason}")
