"""The progress bar of long commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # identify shows progress too, and loads nothing of indexing
    from fingerprinter.library.base.progress import Progress


class _Counted(Protocol):
    """How far some work is."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


C = TypeVar("C", bound=_Counted)


@contextmanager
def shown_progress(first: str, described: Callable[[C], str]) -> Iterator[Callable[[C], None]]:
    """A bar on stderr while the block runs; silent where stderr is no terminal.

    first: the text before anything is counted; described: the text after
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = [
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("left"),
    ]
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(first, total=None)
        yield lambda now: bar.update(
            task, completed=now.done, total=now.total, description=described(now)
        )


def counted(things: str) -> Callable[[_Counted], str]:
    """How many of some things.

    >>> from fingerprinter.library.base.progress import Progress
    >>> counted("tracks")(Progress(done=12, total=351, audio_s=2700, elapsed_s=6))
    '12/351 tracks'
    """
    return lambda now: f"{now.done}/{now.total} {things}"


def index_progress(now: Progress) -> str:
    """How far, in tracks and hours of audio, and how fast.

    >>> from fingerprinter.library.base.progress import Progress
    >>> index_progress(Progress(done=12, total=351, audio_s=2700, elapsed_s=6))
    '12/351 tracks, 0.8 h, 450 x real time'
    """
    speed = now.audio_s / now.elapsed_s if now.elapsed_s else 0.0
    return f"{now.done}/{now.total} tracks, {now.audio_s / 3600:.1f} h, {speed:.0f} x real time"
