"""The progress bar of long commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # `identify` shows progress too, and must not load the code for indexing
    from fingerprinter.library.base.progress import Progress


class _Countable(Protocol):
    """How far a piece of work is."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


C = TypeVar("C", bound=_Countable)


@contextmanager
def shown_progress(first: str, describe: Callable[[C], str]) -> Iterator[Callable[[C], None]]:
    """Show a progress bar on stderr while the block runs.

    Parameters
    ----------
    first : str
        The text until the first progress report arrives.
    describe : callable
        Makes the text from a progress report.

    Yields
    ------
    callable
        Takes a progress report. It does nothing if stderr is no terminal.
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
            task, completed=now.done, total=now.total, description=describe(now)
        )


def counted(things: str) -> Callable[[_Countable], str]:
    """Return a function that describes progress as a count of some things.

    >>> from fingerprinter.library.base.progress import Progress
    >>> counted("tracks")(Progress(done=12, total=351, audio_s=2700, elapsed_s=6))
    '12/351 tracks'
    """
    return lambda now: f"{now.done}/{now.total} {things}"


def index_progress(now: Progress) -> str:
    """Describe progress as a count of tracks, hours of audio and the speed.

    >>> from fingerprinter.library.base.progress import Progress
    >>> index_progress(Progress(done=12, total=351, audio_s=2700, elapsed_s=6))
    '12/351 tracks, 0.8 h, 450 x real time'
    """
    speed = now.audio_s / now.elapsed_s if now.elapsed_s else 0.0
    return f"{now.done}/{now.total} tracks, {now.audio_s / 3600:.1f} h, {speed:.0f} x real time"
