"""Cue sheets: which parts of a file are its tracks, and how they are named.

A sheet is a text file in the folder of the audio file, a tag of the file, or the cue block of FLAC.
All else that a stranger may write into a sheet is an `AudioError` of one line.

References
----------
.. [1] CDRWIN user's guide, appendix A: cue sheet commands.
.. [2] RFC 9639, section 8.7: the cue sheet block of FLAC.
"""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePath
from typing import Any

from fingerprinter.audio.folders import AUDIO_SUFFIXES
from fingerprinter.audio.inflation import limited_inflation
from fingerprinter.audio.small_file import read_small_file
from fingerprinter.audio.tags import clean_fields
from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError
from fingerprinter.types import Problem, Tags

SHEET_SUFFIX = ".cue"
"""Suffix of the files that hold a sheet, in lower case."""

_MAX_BYTES = 1 << 20
_MAX_TRACKS = 999  # a disc has 99, but sheets of long mixes have more
_FRAMES_PER_S = 75  # sectors of a disc
_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_HEAD = {  # the fields of `Tags` by the commands before the first track
    "TITLE": "album",
    "PERFORMER": "album_artist",
    "REM DATE": "year",
    "REM GENRE": "genre",
    "REM DISCNUMBER": "disc_number",
    "REM LABEL": "label",
}
_OF_TRACK = {  # and by those within a track
    "TITLE": "title",
    "PERFORMER": "artist",
    "ISRC": "isrc",
    "REM DATE": "year",
    "REM GENRE": "genre",
}


@dataclass(frozen=True, slots=True)
class CueTrack:
    """One track of a sheet.

    Attributes
    ----------
    start_s, end_s : float, and float or None
        Its part of the file in seconds; the last track ends with the file.
    tags : Tags
        What the sheet says about it.
    """

    start_s: float
    end_s: float | None
    tags: Tags


@dataclass(frozen=True, slots=True)
class SheetFile:
    """One file that a sheet names, and its tracks."""

    name: str
    tracks: tuple[CueTrack, ...]


@dataclass(frozen=True, slots=True)
class CuedFile(os.PathLike[str]):
    """An audio file with a sheet in its folder.

    Attributes
    ----------
    path : Path
        The audio file.
    sheet : Path
        The sheet.
    size, mtime_ns : int
        Size and time of change of the sheet.
    tracks : tuple of CueTrack
        At least two.
    """

    path: Path
    sheet: Path
    size: int
    mtime_ns: int
    tracks: tuple[CueTrack, ...]

    def __fspath__(self) -> str:
        """Return the path of the audio file."""
        return str(self.path)


@dataclass(slots=True)
class _Entry:
    """A track while its commands are read."""

    number: int
    is_audio: bool
    values: dict[str, str] = field(default_factory=dict)
    file: int | None = None
    start: int | None = None  # in frames


def parse_sheet(data: bytes | str) -> tuple[SheetFile, ...]:
    r"""Read the tracks of a sheet.

    A track begins at its INDEX 01 and ends where the next one of its file begins. Sound before the
    first track belongs to it. Tracks of data are left out.

    Parameters
    ----------
    data : bytes or str
        The sheet. Bytes are UTF-8 or UTF-16 with a byte order mark, UTF-8, or else CP1252.

    Returns
    -------
    tuple of SheetFile
        The files with at least one track, in the order of the sheet.

    Raises
    ------
    AudioError
        If it is no sheet, or its times make no sense.

    Examples
    --------
    >>> sheet = 'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nTITLE "One"\nINDEX 01 00:00:00\n'
    >>> (file,) = parse_sheet(sheet + "TRACK 02 AUDIO\nINDEX 01 03:20:15")
    >>> file.name, [(track.start_s, track.end_s, track.tags.title) for track in file.tracks]
    ('a.wav', [(0.0, 200.2, 'One'), (200.2, None, None)])
    """
    names: list[str] = []
    head: dict[str, str] = {}
    entries: list[_Entry] = []
    for command, value in _commands(_text(data)):
        if command == "FILE":
            names.append(_file_name(value))
        elif command == "TRACK":
            number, _, kind = value.partition(" ")
            if not (number.isascii() and number.isdecimal() and len(number) <= 3):
                raise AudioError(f"a track with the number {printable(number[:20])!r}")
            entries.append(_Entry(int(number), kind.strip().upper() in ("", "AUDIO")))
            if len(entries) > _MAX_TRACKS:
                raise AudioError(f"more than {_MAX_TRACKS} tracks")
        elif command == "INDEX" and entries:
            number, _, time = value.partition(" ")
            if number.isascii() and number.isdecimal() and int(number[:4]) == 1:
                entries[-1].start, entries[-1].file = _frames(time.strip()), len(names) - 1
        elif entries and command in _OF_TRACK:
            entries[-1].values.setdefault(_OF_TRACK[command], _unquoted(value))
        elif command in _HEAD and not entries:
            head.setdefault(_HEAD[command], _unquoted(value))
    if not names or not entries:
        raise AudioError("no track of a file in it")
    if lost := next((each for each in entries if each.start is None or each.file == -1), None):
        raise AudioError(f"track {lost.number} has no beginning (INDEX 01)")
    parts = (
        SheetFile(name, _tracks([each for each in entries if each.file == number], head))
        for number, name in enumerate(names)
    )
    return tuple(part for part in parts if part.tracks)


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each command in capitals, of a remark with its key, and the rest."""
    for line in text.splitlines():
        words = line.split(None, 1)
        if len(words) == 2 and words[0].upper() == "REM":
            words = words[1].split(None, 1)
            words[:1] = [f"REM {words[0]}"]
        if len(words) == 2:
            yield words[0].upper(), words[1].strip()


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _file_name(value: str) -> str:
    """Return the name in a FILE command, which ends with the kind of the file."""
    if value.startswith('"') and (end := value.rfind('"')) > 0:
        return value[1:end]
    return value.rpartition(" ")[0].strip() or value


def _frames(time: str) -> int:
    """Return a time as minutes, seconds and frames in frames."""
    parts = time.split(":")
    if len(parts) != 3 or not all(p.isascii() and p.isdecimal() and len(p) <= 6 for p in parts):
        raise AudioError(f"{printable(time[:20])!r} is no time like 03:20:15")
    minutes, seconds, frames = map(int, parts)
    if seconds >= 60 or frames >= _FRAMES_PER_S:
        raise AudioError(f"{printable(time)!r} is no time like 03:20:15")
    return (minutes * 60 + seconds) * _FRAMES_PER_S + frames


def _tracks(entries: Sequence[_Entry], head: dict[str, str]) -> tuple[CueTrack, ...]:
    starts_s = [0.0, *((each.start or 0) / _FRAMES_PER_S for each in entries[1:])]
    _require_ascending(starts_s, [each.number for each in entries])
    tracks = []
    for entry, start_s, end_s in zip(entries, starts_s, [*starts_s[1:], None], strict=False):
        values = head | entry.values | {"track_number": str(entry.number)}
        values.setdefault("artist", head.get("album_artist", ""))
        if entry.is_audio:
            tags = Tags(**clean_fields({name: [value] for name, value in values.items()}))
            tracks.append(CueTrack(start_s, end_s, tags))
    return tuple(tracks)


def _require_ascending(starts_s: Sequence[float], numbers: Sequence[int]) -> None:
    for number, start_s, before_s in zip(numbers[1:], starts_s[1:], starts_s, strict=False):
        if start_s <= before_s:
            raise AudioError(f"track {number} does not begin after the one before it")


def sheets_beside(folder: Path, on_problem: Callable[[Problem], None]) -> dict[str, CuedFile]:
    """Find the sheets of a folder, and the audio files of the folder that they divide.

    A sheet divides a file in its own folder that it names: by its full name, by its name with
    another suffix (a sheet often names the WAV of which the file was made), or, if it names one
    file only, by the sheet's own name. A file of which a sheet has one track only is not divided.

    Parameters
    ----------
    folder : Path
        The folder.
    on_problem : callable
        Receives a `Problem` for each sheet that cannot be used.

    Returns
    -------
    dict of str to CuedFile
        By the name of the audio file. Of two sheets for one file, one that has the file's name
        comes first, then the first by name.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:  # `find_audio` reports it
        return {}
    sheets = [n for n in names if n.lower().endswith(SHEET_SUFFIX) and not n.startswith(".")]
    if not sheets:
        return {}
    audio = _ByName(names)
    found: dict[str, CuedFile] = {}
    for name in sheets:
        path = folder / name
        try:
            for file, cued in _divided(path, audio):
                known = found.get(file)
                if known is None or (
                    _is_named_like(name, file) > _is_named_like(known.sheet.name, file)
                ):
                    found[file] = cued
        except AudioError as error:
            message = f"{printable(str(path))}: {error}; this cue sheet is not used"
            on_problem(Problem(str(path), message))
    return found


def _is_named_like(sheet: str, file: str) -> bool:
    """Tell whether a sheet is named album.cue or album.flac.cue for album.flac."""
    return _key(Path(sheet).stem) in (_key(file), _key(Path(file).stem))


def _key(name: str) -> str:
    """Return a form of a name in which capitals and composed letters make no difference."""
    return unicodedata.normalize("NFC", name).casefold()


class _ByName:
    """The audio files of a folder by their names, with and without suffix."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names: dict[str, str] = {}
        self._stems: dict[str, str] = {}
        for name in names:
            path = PurePath(name)
            if path.suffix.lower() in AUDIO_SUFFIXES:
                self._names.setdefault(_key(name), name)
                self._stems.setdefault(_key(path.stem), name)

    def find(self, name: str) -> str | None:
        """Return the file of this name, or of this name with another suffix."""
        key = _key(name)
        return self._names.get(key) or self._stems.get(_key(PurePath(name).stem))


def _divided(sheet: Path, audio: _ByName) -> Iterator[tuple[str, CuedFile]]:
    """Yield the names of the audio files that a sheet divides."""
    try:
        status = sheet.stat()
        data = read_small_file(sheet, _MAX_BYTES)
    except OSError as error:
        raise AudioError(error.strerror or str(error)) from error
    parts = parse_sheet(data)
    for part in parts:
        if len(part.tracks) < 2:
            continue
        if "/" in part.name or "\\" in part.name:
            raise AudioError(f"it names {printable(part.name)!r}, a file outside of its folder")
        file = audio.find(part.name)
        if file is None and len(parts) == 1:
            file = audio.find(sheet.stem) or audio.find(sheet.name)
        if file is None:
            raise AudioError(f"it names {printable(part.name)!r}, and there is no such file")
        stamp = status.st_size, status.st_mtime_ns
        yield file, CuedFile(sheet.with_name(file), sheet, *stamp, part.tracks)


def embedded_tracks(path: str | os.PathLike[str]) -> tuple[CueTrack, ...]:
    """Read the sheet inside a file: a tag ``CUESHEET``, or the cue block of FLAC.

    Parameters
    ----------
    path : str or path
        The audio file.

    Returns
    -------
    tuple of CueTrack
        At least two; empty if there is no sheet, or only one track in it.

    Raises
    ------
    AudioError
        If the sheet makes no sense.
    """
    import mutagen

    try:
        with limited_inflation():
            file: Any = mutagen.File(os.fspath(path))
        tag = _sheet_tag(file.tags) if file is not None else None
        block = getattr(file, "cuesheet", None)
    except Exception:  # a broken tag raises anything, and `read_tags` reads what can be read
        return ()
    tracks: tuple[CueTrack, ...] = ()
    if tag:
        if len(tag) > _MAX_BYTES:
            raise AudioError(f"the cue sheet in it has more than {_MAX_BYTES >> 20} MiB")
        parts = parse_sheet(tag)
        tracks = parts[0].tracks if len(parts) == 1 else ()
    elif block is not None:
        tracks = _block_tracks(block, file.info.sample_rate)
    return tracks if len(tracks) > 1 else ()


def _sheet_tag(tags: Any) -> str | None:
    """Return the text of a tag CUESHEET as Vorbis comments, APEv2, ID3v2 and MP4 have it."""
    for key in ("cuesheet", "TXXX:CUESHEET", "TXXX:cuesheet", "----:com.apple.iTunes:CUESHEET"):
        try:
            value = tags[key]
        except (KeyError, ValueError, TypeError):  # ValueError: no key of this format
            continue
        value = value[0] if isinstance(value, list) and value else getattr(value, "text", value)
        value = value[0] if isinstance(value, list) and value else value
        return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return None


def _block_tracks(block: Any, sample_rate: int) -> tuple[CueTrack, ...]:
    """Read the cue block of FLAC; its last track is the end of the disc and none of the sound."""
    entries = [each for each in block.tracks if each.track_number not in (170, 255)]
    starts = [
        each.start_offset
        + next((index.index_offset for index in each.indexes if index.index_number == 1), 0)
        for each in entries
    ]
    starts_s = [0.0, *(round(start / sample_rate, 6) for start in starts[1:])]
    _require_ascending(starts_s, [each.track_number for each in entries])
    values = (
        clean_fields(
            {
                "track_number": [each.track_number],
                "isrc": [each.isrc.decode("ascii", "replace") if each.isrc else None],
            }
        )
        for each in entries
    )
    return tuple(
        CueTrack(start_s, end_s, Tags(**tags))
        for each, start_s, end_s, tags in zip(
            entries, starts_s, [*starts_s[1:], None], values, strict=False
        )
        if each.type == 0  # audio
    )


def tags_of_part(of_file: Tags, of_sheet: Tags) -> Tags:
    """Combine the tags of a file, which are about the whole album, with those of one track.

    Parameters
    ----------
    of_file, of_sheet : Tags
        Where the sheet has a value, it counts. The file's title, ISRC and recording id are not
        those of a track.

    Examples
    --------
    >>> tags = tags_of_part(Tags(title="All", album="All", year=1999), Tags(title="One"))
    >>> tags.title, tags.album, tags.year
    ('One', 'All', 1999)
    """
    known = {each.name: getattr(of_sheet, each.name) for each in fields(Tags)}
    known = {name: value for name, value in known.items() if value is not None}
    return replace(of_file, **({"title": None, "isrc": None, "mbid": None} | known))
