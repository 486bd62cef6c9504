"""Uploads: audio as the body of a request, or as the field ``file`` of a form.

Bytes are counted while they arrive, because neither the declared length nor the number of parts
can be trusted. They go to a temporary file, and memory stays small.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fingerprinter.audio import open_audio
from fingerprinter.audio.reader import SR
from fingerprinter.core.arrays import Floats
from fingerprinter.core.printable import printable
from fingerprinter.errors import UsageError
from fingerprinter.server.problems import TooLargeError
from fingerprinter.server.settings import ServerSettings

_SPOOL_BYTES = 1 << 20  # an upload of less stays in memory
_MAX_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that has arrived: its name, and a binary file at position 0."""

    name: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Clip:
    """The decoded beginning of an upload.

    Attributes
    ----------
    name : str
        Name of the upload.
    samples : (n,) float32
        Mono audio at ``sr`` Hz.
    """

    name: str
    samples: Floats
    sr: int
    problem: str | None


@asynccontextmanager
async def receive(
    request: Request, settings: ServerSettings, *, is_mix: bool = False
) -> AsyncIterator[Upload]:
    """Receive the upload of a request; its temporary file is deleted at the end.

    A mix may have more bytes and more time than a clip.

    Raises
    ------
    TooLargeError
        If more bytes arrive than are accepted.
    UsageError
        If the upload does not arrive in time, or the form holds no file.
    """
    limit = settings.mix_bytes if is_mix else settings.upload_bytes
    seconds = settings.mix_s if is_mix else settings.upload_s
    if int_or_zero(request.headers.get("content-length")) > limit:
        raise _too_large(limit)
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    read = _read_form if is_form else _read_body
    try:
        async with asyncio.timeout(seconds):
            upload = await read(request, _counted(request, limit))
    except TimeoutError:
        raise UsageError(f"the upload took more than {seconds:g} s") from None
    try:
        yield upload
    finally:
        await run_in_threadpool(upload.file.close)


def decode(upload: Upload, seconds: float) -> Clip:
    """Decode the beginning of an upload to mono.

    Raises
    ------
    AudioError
        If it is no audio.
    """
    with open_audio(upload.file, SR, name=upload.name) as audio:
        blocks, decoded_s = [], 0.0
        for block in audio.blocks():
            blocks.append(block)
            decoded_s += len(block) / SR
            if decoded_s >= seconds:
                break
        samples = np.concatenate(blocks)[: round(seconds * SR)]
        return Clip(upload.name, samples, SR, audio.problem)


def int_or_zero(text: str | None) -> int:
    """Return the number in a header, or 0 if it is none."""
    return int(text) if text and text.isdecimal() else 0


async def _counted(request: Request, limit: int) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        yield chunk


async def _read_body(request: Request, chunks: AsyncIterator[bytes]) -> Upload:
    file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 closed by `receive`
    try:
        async for chunk in chunks:
            if file.tell() + len(chunk) > _SPOOL_BYTES:
                await run_in_threadpool(file.write, chunk)
            else:
                file.write(chunk)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return Upload(_name(request), file)  # type: ignore[arg-type]


async def _read_form(request: Request, chunks: AsyncIterator[bytes]) -> Upload:
    parser = MultiPartParser(request.headers, chunks, max_files=1, max_fields=8)  # type: ignore[arg-type]
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        message = getattr(error, "message", "no boundary in its content type")
        raise UsageError(f"the form cannot be read: {message}") from error
    field = form.get("file")
    if not isinstance(field, UploadFile):
        await form.close()
        raise UsageError("the form has no field `file` with the audio")
    return Upload(_name(request, field.filename), field.file)


def _name(request: Request, filename: str | None = None) -> str:
    name = request.query_params.get("name") or filename or "clip"
    return printable(name[:_MAX_NAME])


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"more than {limit / 2**20:g} MB; send a shorter clip: 10 seconds name one recording"
    )
