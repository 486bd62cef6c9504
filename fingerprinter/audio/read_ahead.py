"""What was read of a file for its content id, kept until the file is decoded."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from fingerprinter.audio.damage import Damage

if TYPE_CHECKING:  # commands that decode in another process do not load FFmpeg
    from fingerprinter.audio.stream import EncodedStream


class ReadAhead(AbstractContextManager["ReadAhead"]):
    """Keeps the packets of one file, so that they are read once for the content id and the sound.

    A file is kept if it is undamaged, no Ogg chain and without tags behind its audio, and if its
    packets take at most 64 MB of memory: some 20 minutes of compressed music, since each packet
    takes a kilobyte besides its data. Any other file is read twice.
    """

    def __init__(self) -> None:
        self._kept: tuple[EncodedStream, BinaryIO] | None = None
        self._resources = ExitStack()

    def keep(self, stream: EncodedStream, file: BinaryIO, resources: ExitStack) -> None:
        """Keep a stream whose packets were all read, with its file, and close them in the end."""
        if stream.has_all_packets:
            self._kept, self._resources = (stream, file), resources.pop_all()

    def take(self, damage: Damage) -> tuple[EncodedStream, BinaryIO] | None:
        """Return what was kept, once. From now on the stream notes its errors in ``damage``."""
        kept, self._kept = self._kept, None
        if kept:
            kept[0].restart(damage)
        return kept

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kept = None
        self._resources.close()
