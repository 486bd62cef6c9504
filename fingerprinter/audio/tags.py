"""Read the tags of a file of any format."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from fingerprinter.audio.field_limit import with_few_fields
from fingerprinter.audio.file_range import QuietFile, without_padding
from fingerprinter.audio.inflation import limited_inflation
from fingerprinter.audio.source import as_file, source_name
from fingerprinter.types import Tags

# Control characters, byte order marks, and the halves of surrogate pairs that stand for bytes that
# are no text.
_NO_TEXT = re.compile(r"[\x01-\x1f\x7f-\x9f\ufeff\ufffe\ud800-\udfff]+")
_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?=\d{4}(?!\d)|(?!\d))")  # 1999-05-01, 1.5.1999, 19990501
_NUMBER = re.compile(r"(\d{1,4})(?!\d)")  # 3, 03, 3/12
_MAX_CHARS = 2000  # of a text; a crafted tag can have megabytes, which each list would print
_MAX_FIELD_CHARS = 20 * _MAX_CHARS  # of all values of a field
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")

# Names of fields as APEv2, RIFF INFO, Matroska and other formats have them, in lower case, the best
# one first. FFmpeg writes fields of Matroska's album level as "album/...".
_NAMES = {
    "title": ("title",),
    "artist": ("artist",),
    "album": ("album", "album/title"),
    "track_number": ("track", "part_number"),
    "year": ("date", "year", "date_released", "date_recorded", "album/date_released", "tdrl"),
    "genre": ("genre", "album/genre"),
    "mbid": ("musicbrainz_trackid",),
    "album_artist": ("album_artist", "album artist", "albumartist", "album/artist"),
    "disc_number": ("disc", "discnumber"),
    "isrc": ("isrc", "tsrc"),
    "label": ("label", "publisher", "organization", "tpub", "album/publisher", "album/label"),
}
_DATE_FRAMES = ("TDRC", "TYER", "TYE", "TDRL", "TDOR", "TORY")  # of ID3v2, the best one first

Found = Mapping[str, Iterable[Any]]  # values of each field of `Tags`, the best one first


def read_tags(path: str | os.PathLike[str]) -> Tags:
    """Read the tags of a file.

    Each field comes from the best block of tags that has it: the format's own (mediafile reads
    it), then APEv2 behind an MP3, then what FFmpeg finds (RIFF INFO, Matroska and formats that
    mediafile does not know), and ID3v1 last, which cuts texts after 30 letters.

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
    values: dict[str, Any] = {}
    for read in (_read_by_mediafile, _read_ape, _read_by_ffmpeg, _read_id3v1):
        try:
            found = read(path)
        except Exception:  # a broken tag raises anything, from struct.error to RecursionError
            continue
        for name, cleaned in clean_fields(found).items():
            values.setdefault(name, cleaned)
        if values.keys() >= {"title", "artist", "album", "track_number", "year", "genre"}:
            break  # other blocks repeat this one
    return Tags(**values)


def read_cover(path: str | os.PathLike[str]) -> bytes | None:
    """Read the picture that is embedded in a file.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    bytes or None
        The bytes of the picture, usually JPEG or PNG; ``None`` if there is none or the file cannot
        be read.
    """
    try:
        with _tag_source(path) as source:
            picture: bytes | None = _tag_file_class()(source).art
    except Exception:  # see `read_tags`
        return None
    return picture or None


@contextmanager
def _tag_source(path: str | os.PathLike[str]) -> Iterator[str | BinaryIO]:
    """Give the path, or the file with fewer fields if it has very many."""
    with Path(path).open("rb") as file:
        limited = with_few_fields(file)
        with limited_inflation():
            yield os.fspath(path) if limited is file else limited


def _read_by_mediafile(path: str | os.PathLike[str]) -> Found:
    with _tag_source(path) as source:
        return _read_tag_file(source)


def _read_tag_file(source: str | BinaryIO) -> Found:
    from mutagen.id3 import ID3, ID3NoHeaderError

    def read(**options: bool) -> Any:
        if not isinstance(source, str):
            source.seek(0)
        return cast(Any, ID3)(source, load_v1=False, **options)  # mutagen has no types

    file = _tag_file_class()(source)
    dates = [file.date_text, file.other_date]
    if type(file.mgfile.tags) is ID3:  # of MP3: without what mutagen fills in from ID3v1
        try:
            file.mgfile.tags = read()
            raw = read(translate=False)  # translated, "1999 " is lost
            dates = [text for name in _DATE_FRAMES for text in getattr(raw.get(name), "text", [])]
        except ID3NoHeaderError:
            return {}
    return {
        "title": [file.title],
        "artist": [file.artist],
        "album": [file.album],
        "track_number": [file.track],
        "year": dates,
        "genre": [file.genre],
        "mbid": [file.mb_trackid],
        "album_artist": [file.albumartist],
        "disc_number": [file.disc],
        "isrc": [file.isrc],
        "label": [file.label],
        "cover": [hashlib.sha256(file.art).hexdigest()] if file.art else [],
    }


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
            ASFStorageStyle("WM/Year"),
        )
        other_date = MediaField(MP3StorageStyle("TDRL"), StorageStyle("YEAR"))

    return TagFile


def _read_ape(path: str | os.PathLike[str]) -> Found:
    """Read APEv2 tags at the end of a file, where mediafile and FFmpeg look in few formats."""
    from mutagen.apev2 import APEv2

    read: Any = APEv2
    return _by_names((name, str(value)) for name, value in read(path).items())


def _read_by_ffmpeg(path: str | os.PathLike[str]) -> Found:
    """Read the metadata that FFmpeg finds. Texts that are not UTF-8 are CP1252, as of Windows."""
    import av

    with as_file(path, source_name(path)) as file:
        options = {"protocol_whitelist": ""}  # a playlist must not open other files
        with av.open(
            QuietFile(without_padding(file)), metadata_encoding="latin-1", container_options=options
        ) as container:
            streams = [dict(stream.metadata) for stream in container.streams.audio[:1]]
            found = {
                key: value for each in (*streams, container.metadata) for key, value in each.items()
            }
    return _by_names((key, _decoded(value.encode("latin-1"))) for key, value in found.items())


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _read_id3v1(path: str | os.PathLike[str]) -> Found:
    from mutagen.id3 import ParseID3v1

    parse: Any = ParseID3v1
    with Path(path).open("rb") as file:
        file.seek(-128, os.SEEK_END)
        frames = parse(file.read()) or {}
    names = {"TIT2": "title", "TPE1": "artist", "TALB": "album", "TDRC": "year", "TRCK": "track"}
    names["TCON"] = "genre"
    return _by_names((names.get(key, key), str(frame)) for key, frame in frames.items())


def _by_names(values: Iterable[tuple[str, str]]) -> Found:
    """Sort values by the fields of `Tags`, each list by `_NAMES`."""
    lower = {name.lower(): value for name, value in values}
    return {
        field: [lower[name] for name in names if name in lower] for field, names in _NAMES.items()
    }


def clean_fields(found: Found) -> dict[str, Any]:
    """Return the first value of each field of `Tags` that makes sense, as it is stored.

    >>> clean_fields({"title": ["One\x07"], "year": ["?", "1.5.1999"]})
    {'title': 'One', 'year': 1999}
    """
    cleaned: dict[str, Any] = {}
    for field in fields(Tags):
        texts = (text for value in found.get(field.name, ()) for text in _texts(value))
        values = (_parse(field.name, text) for text in texts)
        first = next((value for value in values if value is not None), None)
        if first is not None:
            cleaned[field.name] = first
    return cleaned


def _texts(value: Any) -> Iterator[str]:
    """Yield the values of a text, each as one line; ID3v2.4 and APEv2 separate them by NUL."""
    for each in str(value if value is not None else "")[:_MAX_FIELD_CHARS].split("\0"):
        if line := " ".join(_NO_TEXT.sub(" ", each).split()):
            yield line


def _parse(field: str, text: str) -> str | int | None:
    """Return the value of a field; ``None`` if the text makes no sense there."""
    if field in ("track_number", "disc_number"):
        number = _NUMBER.match(text)
        return (int(number[1]) or None) if number else None
    if field == "year":
        year = _YEAR.search(text)
        return int(year[1]) if year else None
    if field == "mbid":
        return text.lower() if _UUID.fullmatch(text.lower()) else None
    if field == "isrc":
        code = re.sub(r"[^A-Za-z0-9]", "", text).upper()
        return code if _ISRC.fullmatch(code) else None
    return text[:_MAX_CHARS]
