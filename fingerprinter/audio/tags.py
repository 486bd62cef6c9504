"""Read the tags of a file of any format."""

from __future__ import annotations

import logging
import os
import re
from functools import cache
from typing import Any

from fingerprinter.audio.source import as_file, source_name
from fingerprinter.audio.stream import Damage, EncodedStream
from fingerprinter.types import Tags

# Control characters, and the halves of surrogate pairs that stand for bytes that are no text.
_NO_TEXT = re.compile(r"[\x01-\x1f\x7f-\x9f\ud800-\udfff]+")
_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?=\d{4}(?!\d)|(?!\d))")  # 1999-05-01, 1.5.1999, 19990501
_NUMBER = re.compile(r"(\d{1,4})(?!\d)")  # 3, 03, 3/12
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read_tags(path: str | os.PathLike[str]) -> Tags:
    """Read title, artist, album, track number, year, genre and recording id of a file.

    The package mediafile reads the tags. Where it finds none, APEv2 tags at the end of an MP3 are
    tried, then the metadata that FFmpeg finds (RIFF INFO, Matroska and formats that mediafile does
    not know).

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Tags
        A field is ``None`` if the file does not have it or if its value makes no sense. Of several
        values, such as artists, the first is taken. Control characters are removed. A file that
        cannot be read has no tags: this function never raises.
    """
    for read in (_read_by_mediafile, _read_ape_of_mp3, _read_by_ffmpeg):
        try:
            tags = read(path)
        except Exception:  # a broken tag raises anything, from struct.error to RecursionError
            continue
        if tags != Tags():
            return tags
    return Tags()


def _read_by_mediafile(path: str | os.PathLike[str]) -> Tags:
    file = _tag_file_class()(os.fspath(path))
    return _make_tags(
        file.title, file.artist, file.album, file.track, file.date_text, file.genre, file.mb_trackid
    )


@cache
def _tag_file_class() -> Any:
    """Return `MediaFile` with the date as text; its `year` knows only dates like 1999-05-01.

    The package is loaded when it is needed, because most commands read no tags.
    """
    from mediafile import (
        ASFStorageStyle,
        MediaField,
        MediaFile,
        MP3StorageStyle,
        MP4StorageStyle,
        StorageStyle,
    )

    logging.getLogger("mediafile").setLevel(logging.CRITICAL)  # it would print each broken tag

    class TagFile(MediaFile):  # type: ignore[misc]
        date_text = MediaField(
            MP3StorageStyle("TDRC"),
            MP4StorageStyle("©day"),
            StorageStyle("DATE"),
            StorageStyle("YEAR"),
            ASFStorageStyle("WM/Year"),
        )

    return TagFile


def _read_ape_of_mp3(path: str | os.PathLike[str]) -> Tags:
    """Read APEv2 tags at the end of an MP3, where neither mediafile nor FFmpeg looks."""
    import mutagen
    from mutagen.apev2 import APEv2File

    tags = dict(mutagen.File(path, [APEv2File]) or {})
    return _make_tags_of_names({name.lower(): str(value) for name, value in tags.items()})


def _read_by_ffmpeg(path: str | os.PathLike[str]) -> Tags:
    name = source_name(path)
    with as_file(path, name) as file, EncodedStream(file, name, Damage()) as stream:
        return _make_tags_of_names({key.lower(): value for key, value in stream.metadata.items()})


def _make_tags_of_names(tags: dict[str, str]) -> Tags:
    """Make tags of names and values as APEv2 and FFmpeg have them."""
    return _make_tags(
        tags.get("title"),
        tags.get("artist"),
        tags.get("album"),
        tags.get("track"),
        tags.get("date") or tags.get("year"),
        tags.get("genre"),
        tags.get("musicbrainz_trackid"),
    )


def _make_tags(
    title: Any, artist: Any, album: Any, track: Any, date: Any, genre: Any, mbid: Any
) -> Tags:
    """Clean the texts, and take year, number and id out of theirs."""
    number = _NUMBER.match(_clean(track) or "")
    year = _YEAR.search(_clean(date) or "")
    recording_id = (_clean(mbid) or "").lower()
    return Tags(
        title=_clean(title),
        artist=_clean(artist),
        album=_clean(album),
        track_number=(int(number[1]) or None) if number else None,
        year=int(year[1]) if year else None,
        genre=_clean(genre),
        mbid=recording_id if _UUID.fullmatch(recording_id) else None,
    )


def _clean(value: Any) -> str | None:
    """Return the first value as one line of text; ``None`` if nothing is left of it."""
    values = str(value if value is not None else "").split("\0")  # ID3v2.4 and APEv2 separate so
    lines = (" ".join(_NO_TEXT.sub(" ", each).split()) for each in values)
    return next(filter(None, lines), None)
