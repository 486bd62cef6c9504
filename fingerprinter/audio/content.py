"""What a recording is known by: a digest of its compressed sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b

import numpy as np

from fingerprinter.audio.ogg import links
from fingerprinter.audio.source import AudioSource, EncodedSource, as_file, source_name
from fingerprinter.audio.stream import Damage, EncodedStream
from fingerprinter.errors import AudioError

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


def _compressed(source: EncodedSource) -> Iterator[bytes | memoryview]:
    name, n_packets = source_name(source), 0
    with ExitStack() as resources:
        for link in links(resources.enter_context(as_file(source, name))):
            stream = resources.enter_context(EncodedStream(link, name, Damage()))
            yield f"{stream.description}\n".encode()
            for packet in stream.packets():
                yield memoryview(packet)
                n_packets += 1
    if not n_packets:
        raise AudioError(f"{name}: an audio stream without a single packet; was it cut off?")
