"""What a recording is known by: a digest of its compressed sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b

import numpy as np

from fingerprinter.audio.ogg import chain_links
from fingerprinter.audio.source import AudioSource, EncodedSource, as_file, source_name
from fingerprinter.audio.stream import Damage, EncodedStream
from fingerprinter.errors import AudioError

_ID3V1_BYTES = 128
_DIGEST_BYTES = 16  # among 10^9 recordings two collide with a probability of 10^-21


def content_id(source: AudioSource) -> str:
    """32 hex digits: BLAKE2b of codec, rate, channels and the compressed audio packets.

    Name, tags and cover art do not change it; the sound does, and so does
    another encoding of the same sound. Nothing is decoded.
    Raises ``AudioError`` as ``open_audio`` does.
    """
    digest = blake2b(digest_size=_DIGEST_BYTES)
    if isinstance(source, tuple):
        samples, sr = source
        digest.update(f"{samples.dtype} {sr} {samples.shape}".encode())
        digest.update(np.ascontiguousarray(samples).data)
    else:
        for piece in _compressed(source):
            digest.update(piece)
    return digest.hexdigest()


def _compressed(source: EncodedSource) -> Iterator[bytes]:
    name = source_name(source)
    with ExitStack() as resources:
        for link in chain_links(resources.enter_context(as_file(source, name))):
            stream = resources.enter_context(EncodedStream(link, name, Damage()))
            yield f"{stream.description}\n".encode()
            yield from _without_id3v1(stream, name)


def _without_id3v1(stream: EncodedStream, name: str) -> Iterator[bytes]:
    """The packets; FLAC's last one runs to the end of the file, whatever is appended there."""
    last = b""
    for packet in stream.packets():
        yield last
        last = bytes(packet)
    if not last:
        raise AudioError(f"{name}: an audio stream without a single packet; was it cut off?")
    yield last[:-_ID3V1_BYTES] if last[-_ID3V1_BYTES:].startswith(b"TAG") else last
