"""What a file says of itself, whatever its tag format."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fingerprinter.audio.source import as_file, source_name
from fingerprinter.audio.stream import Damage, EncodedStream
from fingerprinter.types import Tags

# A field and its names: Vorbis comments, APEv2 and FFmpeg first, then ID3v2, MP4 and ASF.
_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("title", "tit2", "©nam"),
    "artist": ("artist", "tpe1", "©art", "author"),
    "album": ("album", "talb", "©alb", "wm/albumtitle"),
    "track_number": ("tracknumber", "track", "trck", "trkn", "wm/tracknumber"),
    "year": ("date", "year", "tdrc", "©day", "wm/year"),
    "genre": ("genre", "tcon", "©gen", "wm/genre"),
    "mbid": (
        "musicbrainz_trackid",
        "ufid:http://musicbrainz.org",
        "----:com.apple.itunes:musicbrainz track id",
        "musicbrainz/track id",
    ),
}
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")  # control characters, half characters
_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?=\d{4}(?!\d)|(?!\d))")  # 1999-05-01, 1.5.1999, 19990501
_NUMBER = re.compile(r"(\d{1,4})(?!\d)")  # 3, 03, 3/12
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read_tags(path: str | os.PathLike[str]) -> Tags:
    """The tags of a file; ``None`` for what it does not say or says illegibly. Never raises.

    mutagen reads them; where it finds none (RIFF INFO, Matroska), FFmpeg does.
    Of several artists the first is taken.
    """
    for read in (_by_mutagen, _behind_mp3, _by_ffmpeg):
        try:
            tags = _tags(read(path))
        except Exception:  # a broken tag raises anything, from struct.error to RecursionError
            continue
        if tags != Tags():
            return tags
    return Tags()


def _by_mutagen(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    import mutagen

    return dict(mutagen.File(path) or {})


def _behind_mp3(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """APEv2 at the end of an MP3, where neither mutagen by itself nor FFmpeg looks."""
    import mutagen
    from mutagen.apev2 import APEv2File

    return dict(mutagen.File(path, [APEv2File]) or {})


def _by_ffmpeg(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    name = source_name(path)
    with as_file(path, name) as file, EncodedStream(file, name, Damage()) as stream:
        return stream.metadata


def _tags(raw: Mapping[str, Any]) -> Tags:
    named = {str(key).lower(): value for key, value in raw.items()}
    text = {field: _first_text(named, names) for field, names in _NAMES.items()}
    return Tags(
        title=text["title"],
        artist=text["artist"],
        album=text["album"],
        track_number=_number(_NUMBER.match(text["track_number"] or "")),
        year=_number(_YEAR.search(text["year"] or "")),
        genre=text["genre"],
        mbid=_uuid(text["mbid"]),
    )


def _first_text(named: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    strings = (string for name in names if name in named for string in _strings(named[name]))
    cleaned = (" ".join(_NO_TEXT.sub(" ", string).split()) for string in strings)
    return next(filter(None, cleaned), None)


def _strings(value: Any) -> Iterator[str]:
    """The strings in a tag value: text, bytes, lists of them, or an ID3 frame of them."""
    for inner in ("text", "data"):  # ID3: text frames, UFID
        value = getattr(value, inner, value)
    if isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
    else:
        yield from str(value).split("\0")  # several values in ID3v2.4 and APEv2


def _number(match: re.Match[str] | None) -> int | None:
    return int(match[1]) or None if match else None


def _uuid(text: str | None) -> str | None:
    return text.lower() if text and _UUID.fullmatch(text.lower()) else None
