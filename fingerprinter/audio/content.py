"""The content id of a recording, a digest of its compressed audio, and how the audio is stored."""

from __future__ import annotations

import io
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import BinaryIO

import numpy as np

from fingerprinter.audio.damage import Damage
from fingerprinter.audio.file_range import file_range, id3v2_bytes
from fingerprinter.audio.ogg import chain_links
from fingerprinter.audio.read_ahead import ReadAhead
from fingerprinter.audio.second_decoder import open_second_decoder
from fingerprinter.audio.source import AudioSource, FilePart, as_file, read_errors, source_name
from fingerprinter.errors import AudioError
from fingerprinter.types import AudioFormat

_DIGEST_BYTES = 16  # among 10^9 recordings two collide with a probability of 10^-21
_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_APE_HAS_HEADER = 1 << 31  # flag: 32 bytes of header precede the items
_LYRICS3_BYTES = 15  # six digits of the size, and the mark
_MAX_LYRICS3V1_BYTES = 5100 + 20
_ID3V2_SEARCH_BYTES = 1 << 20  # an ID3v2 tag without a footer is looked for so far from the end


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds.

    Attributes
    ----------
    id : str
        The content id, see `content_id`.
    audio : AudioFormat
        How the audio is stored. The bit rate is that of the compressed packets.
    """

    id: str
    audio: AudioFormat


def content_id(source: AudioSource) -> str:
    """Compute the content id of a source.

    The id is the BLAKE2b digest of codec, sampling rate, number of channels and the compressed
    packets. It does not depend on file name, tags and cover art. It changes with the audio, and
    also if the same audio is encoded again. Nothing is decoded.

    Parameters
    ----------
    source : AudioSource
        A path, a part of a file, encoded bytes, a binary file object or pipe, or
        ``(samples, sr)``. The id of a part follows from the file's and from start and end in
        milliseconds.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    AudioError
        If the source cannot be read as audio.
    """
    return read_content(source).id


def read_content(source: AudioSource, ahead: ReadAhead | None = None) -> Content:
    """Compute the content id of a source, and tell how its audio is stored.

    Parameters
    ----------
    source : AudioSource
        See `content_id`.
    ahead : ReadAhead, optional
        Keeps what was read, if it can, for the decoding of the whole source.

    Returns
    -------
    Content
        Id and format. A chained Ogg file has the format of its first link.

    Raises
    ------
    AudioError
        If the source cannot be read as audio.
    """
    from fingerprinter.audio.stream import EncodedStream

    if isinstance(source, FilePart):
        return content_of_part(read_content(source.path), source)
    digest = blake2b(digest_size=_DIGEST_BYTES)
    if isinstance(source, tuple):
        samples, sr = source
        digest.update(f"{samples.dtype} {sr} {samples.shape}".encode())
        digest.update(np.ascontiguousarray(samples).data)
        return Content(digest.hexdigest(), AudioFormat(sample_rate_hz=sr))
    name, found, n_bytes, duration_s = source_name(source), list[str](), 0, 0.0
    with ExitStack() as resources:
        with read_errors(name):
            file = resources.enter_context(as_file(source, name))
            links = chain_links(without_appended_tags(file))
        is_plain = len(links) == 1 and links[0] is file
        for link in links:
            try:
                stream = resources.enter_context(closing(EncodedStream(link, name, Damage())))
            except AudioError:
                second = open_second_decoder(link, resources)
                if second is None:
                    raise
                for piece in second.compressed_audio():
                    digest.update(piece)
                found.append(f"{second.codec} {second.sr} {second.n_channels}")
                continue
            digest.update(f"{stream.description}\n".encode())
            before = n_bytes
            if ahead and is_plain:
                stream.keep_packets()
            for packet in stream.packets():
                digest.update(packet)
                n_bytes += packet.size
            if n_bytes == before:
                reason = "an audio stream without a single packet; was it cut off?"
                raise AudioError(f"{name}: {reason}")
            found.append(stream.description)
            duration_s += stream.declared.duration_s or 0.0
            if ahead:
                ahead.keep(stream, link, resources)
    codec, rate, channels = found[0].rsplit(" ", 2)
    bit_rate = round(8 * n_bytes / duration_s) if duration_s else None
    return Content(digest.hexdigest(), AudioFormat(codec, bit_rate, int(rate), int(channels)))


def content_of_part(whole: Content, part: FilePart) -> Content:
    """Return the content of a part of a file whose content is known.

    Parameters
    ----------
    whole : Content
        The content of the file.
    part : FilePart
        The part.
    """
    ends = [None if each is None else round(each * 1000) for each in (part.start_s, part.end_s)]
    place = f"{whole.id} {ends[0]} {ends[1]}".encode()
    return replace(whole, id=blake2b(place, digest_size=_DIGEST_BYTES).hexdigest())


def without_appended_tags(file: BinaryIO) -> BinaryIO:
    """Return a file without the tags behind its audio, at position 0.

    FFmpeg counts the bytes of a tag behind FLAC, AC-3, DTS or AU to the audio. The tags are ID3v1,
    APEv2, Lyrics3 and ID3v2, in any order.

    Parameters
    ----------
    file : binary file
        A seekable file.

    Returns
    -------
    binary file
        The file itself if no tag is at its end.

    References
    ----------
    .. [1] APE Tags Specification, version 2; Lyrics3 version 2; ID3v2.4, section 3.4 (footer).
    """
    size = file.seek(0, io.SEEK_END)
    end = size
    while 0 < (tag_bytes := _last_tag_bytes(file, end)) < end:
        end -= tag_bytes
    file.seek(0)
    return file if end == size else file_range(file, 0, end)


def _last_tag_bytes(file: BinaryIO, end: int) -> int:
    """Return the length of the tag that ends at a position; 0 if there is none."""
    file.seek(max(0, end - _ID3V1_BYTES))
    tail = file.read(min(end, _ID3V1_BYTES))
    if len(tail) == _ID3V1_BYTES and tail.startswith(b"TAG"):
        return _ID3V1_BYTES
    footer = tail[-_APE_FOOTER_BYTES:]
    if footer.startswith(b"APETAGEX"):
        flags = int.from_bytes(footer[20:24], "little")
        header_bytes = _APE_FOOTER_BYTES if flags & _APE_HAS_HEADER else 0
        return int.from_bytes(footer[12:16], "little") + header_bytes
    if tail.endswith(b"LYRICS200") and tail[-_LYRICS3_BYTES:-9].isdigit():
        return int(tail[-_LYRICS3_BYTES:-9]) + _LYRICS3_BYTES
    start = 0
    if tail.endswith(b"LYRICSEND"):
        start = _last_mark(file, end, b"LYRICSBEGIN", _MAX_LYRICS3V1_BYTES)
    else:
        at = _last_mark(file, end, b"ID3", _ID3V2_SEARCH_BYTES)
        start = at if at and at + id3v2_bytes(file, at) == end else 0
    return end - start if start else 0


def _last_mark(file: BinaryIO, end: int, mark: bytes, reach: int) -> int:
    """Return where a mark stands last within some bytes before a position; 0 if nowhere."""
    first = max(0, end - reach)
    file.seek(first)
    return max(0, first + found) if (found := file.read(end - first).rfind(mark)) >= 0 else 0
