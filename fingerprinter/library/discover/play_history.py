"""Listening histories: who played what how often, from the files that services export."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fingerprinter.errors import UsageError

_ME: Final = "me"  # the listener in a file that names none
_KINDS: Final = (
    "a CSV with the columns user, track, plays; a ListenBrainz export (.json, .jsonl);"
    " a Last.fm export (.csv)"
)
_LASTFM: Final = ("artist", "album", "title", "date")  # columns of an export without a heading
_TITLES: Final = ("title", "track", "track_name", "name")
_MBIDS: Final = ("mbid", "track_mbid", "recording_mbid")


@dataclass(frozen=True, slots=True)
class PlayedTrack:
    """What a history says of a track; empty where it says nothing.

    name: of all of it: a path, an id, "artist - title"
    """

    artist: str = ""
    title: str = ""
    mbid: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        """As messages name it."""
        return self.name or " - ".join(filter(None, (self.artist, self.title))) or self.mbid


History = Mapping[str, Counter[PlayedTrack]]  # plays of each song by each listener


def read_history(path: Path) -> History:
    """The plays in a file; raises `UsageError` where it is none of the kinds that are known.

    Kinds: a CSV with a heading (user, track, plays, or artist and title; each row counts as one
    play where none says how many); the exports of ListenBrainz (JSON, or JSON Lines) and of
    Last.fm (CSV with or without a heading).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UsageError(f"{path}: {reason}; give {_KINDS}") from error
    rows = _listens(path, text) if text.lstrip()[:1] in ("[", "{") else _table(path, text)
    history: dict[str, Counter[PlayedTrack]] = {}
    for user, song, plays in rows:
        history.setdefault(user, Counter())[song] += plays
    if not history:
        raise UsageError(f"{path}: nobody played anything in it; give {_KINDS}")
    return history


def select_user(history: History, user: str | None) -> str:
    """The one who is meant; raises `UsageError` where there is none of that name, or several."""
    if user is None and len(history) == 1:
        return next(iter(history))
    if user is not None and user in history:
        return user
    names = sorted(history)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    asked = f"{user}: no such listener" if user else f"{len(names)} listeners"
    raise UsageError(f"{asked}; name one with --user: {shown}")


Row = tuple[str, PlayedTrack, int]


def _listens(path: Path, text: str) -> Iterator[Row]:
    """Of ListenBrainz: an array, the answer of its API, or one listen a line."""
    try:
        listens = _records(text)
        for listen in listens:
            said = listen["track_metadata"]
            more = said.get("additional_info") or {}
            mapped = said.get("mbid_mapping") or {}
            mbid = mapped.get("recording_mbid") or more.get("recording_mbid") or ""
            song = PlayedTrack(said.get("artist_name") or "", said.get("track_name") or "", mbid)
            yield listen.get("user_name") or _ME, song, 1
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: no listens of ListenBrainz in it; give {_KINDS}") from error


def _records(text: str) -> Sequence[dict[str, Any]]:
    if text.lstrip().startswith("["):
        return json.loads(text)
    if _is_lines(text):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return json.loads(text)["payload"]["listens"]


def _is_lines(text: str) -> bool:
    """Whether the first line is a listen by itself."""
    try:
        return "track_metadata" in json.loads(text.lstrip().partition("\n")[0])
    except ValueError:
        return False


def _table(path: Path, text: str) -> Iterator[Row]:
    rows = list(csv.reader(text.splitlines()))
    heading = [cell.strip().casefold() for cell in rows[0]] if rows else []
    if not _has_names(heading):
        if len(heading) != len(_LASTFM):
            raise UsageError(f"{path}: no column is called track or title; give {_KINDS}")
        heading, rows = list(_LASTFM), [[], *rows]
    for number, cells in enumerate(rows[1:], 2):
        if cells:
            yield _row(path, number, dict(zip(heading, map(str.strip, cells), strict=False)))


def _has_names(heading: Sequence[str]) -> bool:
    return not {*_TITLES, *_MBIDS, "path"}.isdisjoint(heading)


def _row(path: Path, number: int, cells: Mapping[str, str]) -> Row:
    said = {name: value for name, value in cells.items() if value}
    title = next((said[name] for name in _TITLES if name in said), "")
    mbid = next((said[name] for name in _MBIDS if name in said), "")
    artist = said.get("artist") or said.get("artist_name") or ""
    whole = said.get("path") or ("" if artist else title)  # a track alone may be any name of it
    song = PlayedTrack(artist, title if artist else "", mbid, whole)
    return said.get("user") or said.get("user_name") or _ME, song, _count(path, number, said)


def _count(path: Path, number: int, said: Mapping[str, str]) -> int:
    plays = said.get("plays") or said.get("playcount") or "1"
    if not plays.isdecimal():
        raise UsageError(f"{path}, line {number}: {plays} plays; write a whole number")
    return int(plays)
