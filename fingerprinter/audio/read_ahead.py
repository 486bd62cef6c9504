"""What was read of a file for its content id, kept until the file is decoded."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from fingerprinter.audio.damage import Damage

if TYPE_CHECKING:  # commands that decode in another process do not load FFmpeg
    from fingerprinter.audio.stream import EncodedStream


class ReadAhead(ExitStack):
    """Keeps the packets of one file, so that they are read once for the content id and the sound.

    A file is kept if it is undamaged, no Ogg chain and without tags behind its audio, and if its
    packets take at most 64 MB of memory: some 20 minutes of compressed music, since each packet
    takes a kilobyte besides its data. Any other file is read twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[EncodedStream, BinaryIO] | None = None

    def keep(self, stream: EncodedStream, file: BinaryIO, resources: ExitStack) -> None:
        """Keep a stream whose packets were all read, with its file, and close them in the end."""
        if stream.has_all_packets:
            self._kept = stream, file
            self.enter_context(resources.pop_all())

    def take(self, damage: Damage) -> tuple[EncodedStream, BinaryIO] | None:
        """Return what was kept, once. From now on the stream notes its errors in ``damage``."""
        kept, self._kept = self._kept, None
        if kept:
            kept[0].restart(damage)
        return kept
