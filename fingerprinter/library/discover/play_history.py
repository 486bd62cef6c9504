"""Play histories: who played which track how often, from the files that services export."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fingerprinter.audio.small_file import read_small_file
from fingerprinter.errors import UsageError

_MAX_BYTES: Final = 1 << 30
_MAX_DIGITS: Final = 9  # of a number of plays
_DEFAULT_USER: Final = "me"  # the listener of a file that names none
_FORMATS: Final = (
    "a CSV with the columns user, track, plays; a ListenBrainz export (.json, .jsonl);"
    " a Last.fm export (.csv)"
)
_LASTFM_COLUMNS: Final = ("artist", "album", "title", "date")  # of an export without a header
_TITLE_COLUMNS: Final = ("title", "track", "track_name", "name")
_MBID_COLUMNS: Final = ("mbid", "track_mbid", "recording_mbid")


@dataclass(frozen=True, slots=True)
class PlayedTrack:
    """A track as a history describes it. Unknown values are empty.

    Attributes
    ----------
    artist, title
        Names of the artist and the track.
    mbid
        MusicBrainz id of the recording.
    name
        A description of the whole: a path, an id, or "artist - title".
    """

    artist: str = ""
    title: str = ""
    mbid: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        """Text for messages."""
        return self.name or " - ".join(filter(None, (self.artist, self.title))) or self.mbid


History = Mapping[str, Counter[PlayedTrack]]  # plays of each track by each listener


def read_history(path: Path) -> History:
    """Read the plays in a file.

    Parameters
    ----------
    path
        A CSV file with a header (user, track, plays; or artist and title), in which each row
        counts as one play unless it says how many; an export of ListenBrainz (JSON or JSON
        Lines); or an export of Last.fm (CSV with or without a header).

    Raises
    ------
    UsageError
        If the file cannot be read, has another format, or contains no plays.
    """
    try:
        text = read_small_file(path, _MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UsageError(f"{path}: {reason}; give {_FORMATS}") from error
    is_json = text.lstrip()[:1] in ("[", "{")
    history: dict[str, Counter[PlayedTrack]] = {}
    for user, played, plays in _json_rows(path, text) if is_json else _csv_rows(path, text):
        history.setdefault(user, Counter())[played] += plays
    if not history:
        raise UsageError(f"{path}: it contains no plays; give {_FORMATS}")
    return history


def select_user(history: History, user: str | None) -> str:
    """Return the listener whom a user name means.

    Parameters
    ----------
    history
        The plays of all listeners.
    user
        Name of the listener; None if there is only one.

    Raises
    ------
    UsageError
        If there is no listener of that name, or no name and several listeners.
    """
    if user is None and len(history) == 1:
        return next(iter(history))
    if user is not None and user in history:
        return user
    names = sorted(history)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    found = f"{user}: no such listener" if user else f"{len(names)} listeners"
    raise UsageError(f"{found}; name one with --user: {shown}")


_Row = tuple[str, PlayedTrack, int]


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    """Yield the listens of a ListenBrainz export."""
    try:
        for listen in _listens(path, text):
            metadata = listen["track_metadata"]
            info = metadata.get("additional_info") or {}
            mapping = metadata.get("mbid_mapping") or {}
            played = PlayedTrack(
                artist=_text(metadata.get("artist_name")),
                title=_text(metadata.get("track_name")),
                mbid=_text(mapping.get("recording_mbid")) or _text(info.get("recording_mbid")),
            )
            yield _text(listen.get("user_name")) or _DEFAULT_USER, played, 1
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: no listens of ListenBrainz in it; give {_FORMATS}") from error


def _text(value: Any) -> str:
    """Return a value of JSON if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def _listens(path: Path, text: str) -> Iterator[dict[str, Any]]:
    """Yield the listens of an array, of JSON Lines with one each, or of a reply of the API.

    Raises `UsageError`, which names the line that is no JSON.
    """
    first_line = text.lstrip().partition("\n")[0]
    number = 0
    try:
        if text.lstrip().startswith("["):
            yield from json.loads(text)
        elif first_line.rstrip().endswith("}") and "track_metadata" in json.loads(first_line):
            for number, line in enumerate(text.splitlines()):  # noqa: B007 (for the message)
                if line.strip():
                    yield json.loads(line)
        else:
            yield from json.loads(text)["payload"]["listens"]
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}, line {number + error.lineno}: cut off or damaged, {error.msg.lower()};"
            " export the history again, or remove this line"
        ) from error
    except (RecursionError, ValueError) as error:  # a depth or a number beyond any limit
        raise UsageError(f"{path}: no listens of ListenBrainz in it; give {_FORMATS}") from error


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    """Yield the rows of a CSV file with a header, or of a Last.fm export without one."""
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:  # a cell of more than 128 KiB
        raise UsageError(f"{path}: no table ({error}); give {_FORMATS}") from error
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    if {*_TITLE_COLUMNS, *_MBID_COLUMNS, "path"}.isdisjoint(header):
        if len(header) != len(_LASTFM_COLUMNS):
            raise UsageError(f"{path}: no column is called track or title; give {_FORMATS}")
        header, rows = list(_LASTFM_COLUMNS), [[], *rows]
    for number, cells in enumerate(rows[1:], 2):
        if cells:
            values = dict(zip(header, map(str.strip, cells), strict=False))
            yield _csv_row(path, number, values)


def _csv_row(path: Path, number: int, values: Mapping[str, str]) -> _Row:
    """Interpret one row of a CSV file; raises `UsageError` if its play count is no number."""
    values = {column: value for column, value in values.items() if value}
    title = next((values[column] for column in _TITLE_COLUMNS if column in values), "")
    mbid = next((values[column] for column in _MBID_COLUMNS if column in values), "")
    artist = values.get("artist") or values.get("artist_name") or ""
    # A track without an artist may be a path, an id, or artist and title in one.
    name = values.get("path") or ("" if artist else title)
    played = PlayedTrack(artist, title if artist else "", mbid, name)
    plays = values.get("plays") or values.get("playcount") or "1"
    if not plays.isdecimal() or len(plays) > _MAX_DIGITS:
        raise UsageError(f"{path}, line {number}: {plays[:40]} plays; write a whole number")
    return values.get("user") or values.get("user_name") or _DEFAULT_USER, played, int(plays)
