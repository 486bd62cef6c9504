"""The content id of a recording: a digest of its compressed audio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b

import numpy as np

from fingerprinter.audio.ogg import chain_links
from fingerprinter.audio.second_decoder import open_second_decoder
from fingerprinter.audio.source import AudioSource, EncodedSource, as_file, read_errors, source_name
from fingerprinter.audio.stream import Damage, EncodedStream
from fingerprinter.errors import AudioError

_ID3V1_BYTES = 128
_DIGEST_BYTES = 16  # among 10^9 recordings two collide with a probability of 10^-21


def content_id(source: AudioSource) -> str:
    """Compute the content id of a source.

    The id is the BLAKE2b digest of codec, sampling rate, number of channels and the compressed
    packets. It does not depend on file name, tags and cover art. It changes with the audio, and
    also if the same audio is encoded again. Nothing is decoded.

    Parameters
    ----------
    source : AudioSource
        A path, encoded bytes, a binary file object or pipe, or ``(samples, sr)``.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    AudioError
        If the source cannot be read as audio.
    """
    digest = blake2b(digest_size=_DIGEST_BYTES)
    if isinstance(source, tuple):
        samples, sr = source
        digest.update(f"{samples.dtype} {sr} {samples.shape}".encode())
        digest.update(np.ascontiguousarray(samples).data)
    else:
        for piece in _compressed_audio(source):
            digest.update(piece)
    return digest.hexdigest()


def _compressed_audio(source: EncodedSource) -> Iterator[bytes]:
    """Yield a description and the packets of each stream: one, or several in a chained Ogg file."""
    name = source_name(source)
    with ExitStack() as resources:
        with read_errors(name):
            links = chain_links(resources.enter_context(as_file(source, name)))
        for link in links:
            try:
                stream = resources.enter_context(EncodedStream(link, name, Damage()))
            except AudioError:
                second = open_second_decoder(link, resources)
                if second is None:
                    raise
                yield from second.compressed_audio()
                continue
            yield f"{stream.description}\n".encode()
            yield from _packets_without_id3v1(stream, name)


def _packets_without_id3v1(stream: EncodedStream, name: str) -> Iterator[bytes]:
    """Yield the packets without an ID3v1 tag, which FLAC would count to its last packet."""
    last = b""
    for packet in stream.packets():
        yield last
        last = bytes(packet)
    if not last:
        raise AudioError(f"{name}: an audio stream without a single packet; was it cut off?")
    yield last[:-_ID3V1_BYTES] if last[-_ID3V1_BYTES:].startswith(b"TAG") else last
