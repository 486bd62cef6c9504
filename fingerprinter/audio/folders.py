"""Find the audio files in a list of files and folders."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fingerprinter.audio.ignore import IgnoreRules
from fingerprinter.core.printable import printable
from fingerprinter.errors import UsageError
from fingerprinter.types import Problem

# The suffixes of FFmpeg's demuxers (a test compares them), but for pictures, subtitles, playlists,
# video without sound, sound without a header, and those that other files have more often; and other
# names of these formats. MIDI and tracker modules hold no audio.
_AUDIO = """
    .aa .aa3 .aac .aax .ac3 .ac4 .adx .aea .afc .aif .aifc .aiff .amr .ape .aptx .aptxhd .ast .au
    .avr .bcstm .bfstm .binka .bonk .brstm .c2 .caf .dfpwm .dss .dts .dtshd .eac3 .ec3 .flac .fsb
    .g722 .genh .gsm .hca .iamf .ircam .lc3 .m2a .m4a .m4b .mka .mlp .mmf .mp2 .mp3 .mpa .mpc .msbc
    .msf .mtaf .nist .ogg .oma .omg .osq .paf .pvf .qoa .ra .rka .sbc .sds .shn .sox .spdif .sph
    .svag .tak .thd .tta .vag .voc .vqe .vqf .vql .w64 .wav .wma .wsd .wv .xvag
"""
_VIDEO = """
    .3g2 .3gp .asf .avi .dv .f4v .flv .gxf .isma .ismv .ivr .kux .m2t .m2ts .m4v .mj2 .mk3d .mkv
    .mov .mp4 .mpeg .mpg .mts .mxf .nut .rm .ts .ty .viv .webm .wmv .wtv .xmv
"""
_OTHER_NAMES = """
    .3ga .3gp2 .3gpp .3gpp2 .adts .alac .at3 .bwf .dff .divx .dsf .f4a .f4b .latm .loas .m4r .mogg
    .mp+ .mp1 .mp4a .mpe .oga .ogv .ogx .opus .qt .rf64 .rmvb .snd .spx .tod .vob .wave .weba
"""
AUDIO_SUFFIXES = frozenset((_AUDIO + _VIDEO + _OTHER_NAMES).split())
"""Suffixes of files that can hold audio, in lower case with their dot."""

# Folders of the system and of programs: .git, .cache, .Trash-1000, .Spotlight-V100. Names with
# blanks or capitals, like the album ".5: The Gray Chapter", are none of these.
_HIDDEN_FOLDER = re.compile(
    r"\.([a-z][a-z0-9_.+@-]*|Trash.*|Apple(DB|Desktop|Double)|DocumentRevisions-V\d+"
    r"|Spotlight-V\d+|TemporaryItems|MobileBackups.*|PKInstallSandboxManager.*|DS_Store|@.*)",
)
_MAX_KIND_CHARS = 8  # a longer suffix is a part of a name

_REASONS: dict[type[Exception], str] = {
    FileNotFoundError: "no such file or folder",
    PermissionError: "no permission to read it",
}


def find_audio(
    paths: Iterable[str | os.PathLike[str]],
    on_problem: Callable[[Problem], None] = lambda _: None,
    exclude: Sequence[str] = (),
    on_left_out: Callable[[str, str], None] = lambda *_: None,
) -> Iterator[Path]:
    """Yield the audio files that a list of files and folders names.

    A file in the list is yielded with any suffix. A folder is searched with all folders below
    it, sorted by name, for files with a suffix in ``AUDIO_SUFFIXES``. Hidden entries are left
    out: ``._name``, files with a dot in front and no such suffix, and folders like ``.git`` and
    ``.Trash-1000``, but not albums like ``...And Justice for All``. A folder that several links
    lead to is entered once. Files `.fingerprinterignore` leave out what they name
    (`fingerprinter.audio.ignore`).

    Parameters
    ----------
    paths : iterable of str or path
        Files and folders; ``~`` is the home folder.
    on_problem : callable
        Receives a ``Problem`` for each path that is missing or cannot be listed.
    exclude : sequence of str
        Globs, in the syntax of .gitignore, of what in each folder of the list is left out.
    on_left_out : callable
        Receives the path of each entry of a folder that is left out, and its kind: ``"hidden"``,
        ``"excluded"`` (by a glob), its suffix such as ``".jpg"``, or ``"other"``. What is inside
        a folder that is left out is not looked at.

    Yields
    ------
    Path
        The files, in the order of ``paths``.

    Raises
    ------
    UsageError
        If a glob cannot be understood, or a path is empty.
    """
    for path in paths:
        if not os.fspath(path):
            raise UsageError("'': an empty path; name a file or folder, or . for this folder")
        try:
            expanded = Path(os.path.expanduser(path))
            mode = expanded.stat().st_mode
            if stat.S_ISDIR(mode):
                yield from _search(expanded, expanded, on_problem, exclude, on_left_out)
            elif stat.S_ISREG(mode):
                yield expanded
            else:  # reading a pipe might never end, and it could not be found again
                raise OSError(errno.EINVAL, "not a regular file")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            on_problem(_problem(os.fspath(path), error))


def find_audio_at(place: Path, root: Path, exclude: Sequence[str] = ()) -> Iterator[Path]:
    """Yield the audio files at or below a place that a search of a folder above it finds.

    Problems are not reported: a search of the whole folder reports them.

    Parameters
    ----------
    place : Path
        A file or folder that is the root or below it.
    root : Path
        The folder, or the only file, that `find_audio` would search.
    exclude : sequence of str
        See `find_audio`.

    Yields
    ------
    Path
        The files, sorted by name.

    Raises
    ------
    UsageError
        If a glob cannot be understood.
    """
    if place == root:
        yield from find_audio([root], exclude=exclude)
        return
    rules = IgnoreRules(root, exclude)
    is_folder = os.path.isdir(place)
    for path in (place, *place.parents):
        if root not in path.parents:
            break
        folder = is_folder or path != place
        if _is_hidden(path.name, is_folder=folder) or rules.leaves_out(path, is_folder=folder):
            return
    if is_folder:
        yield from _search(root, place, lambda _: None, exclude, lambda *_: None)
    elif _suffix(place.name) in AUDIO_SUFFIXES and os.path.isfile(place):
        yield place


def _search(
    root: Path,
    start: Path,
    on_problem: Callable[[Problem], None],
    exclude: Sequence[str],
    on_left_out: Callable[[str, str], None],
) -> Iterator[Path]:
    """Search a folder at or below the root, whose rules count.

    The search goes depth first, with a stack: folders can be nested deeper than calls in Python.
    """
    seen: set[tuple[int, int]] = set()
    rules = IgnoreRules(root, exclude, on_problem)
    stack = _entries(start, seen, on_problem)
    while stack:
        entry = stack.pop()
        try:
            is_folder = entry.is_dir()
            if _is_hidden(entry.name, is_folder=is_folder):
                on_left_out(entry.path, "hidden")
            elif rules.leaves_out(Path(entry.path), is_folder=is_folder):
                on_left_out(entry.path, "excluded")
            elif is_folder:
                stack += _entries(entry, seen, on_problem)
            elif _suffix(entry.name) in AUDIO_SUFFIXES:
                if not stat.S_ISREG(entry.stat().st_mode):  # reading a pipe might never end
                    raise OSError(errno.EINVAL, "not a regular file")
                yield Path(entry.path)
            else:
                suffix = _suffix(entry.name)
                is_kind = suffix[1:].isalnum() and len(suffix) <= _MAX_KIND_CHARS
                on_left_out(entry.path, suffix if is_kind else "other")
        except OSError as error:
            on_problem(_problem(entry.path, error))


def _is_hidden(name: str, *, is_folder: bool) -> bool:
    if not name.startswith(".") or name.startswith(".."):
        return False
    if is_folder:
        return name.startswith("._") or _HIDDEN_FOLDER.fullmatch(name) is not None
    return name.startswith("._") or _suffix(name) not in AUDIO_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (speed)


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
            return sorted(entries, key=lambda entry: entry.name, reverse=True)
    except OSError as error:
        on_problem(_problem(os.fspath(folder), error))
        return []


def _problem(path: str, error: Exception) -> Problem:
    reason = _REASONS.get(type(error)) or getattr(error, "strerror", None) or str(error)
    return Problem(path, f"{printable(path)}: {reason}")
