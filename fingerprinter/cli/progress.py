"""The progress bar of `index`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fingerprinter.library import OnProgress, Progress


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """A bar on stderr while the block runs; silent where stderr is no terminal."""
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
        task = bar.add_task("looking for files", total=None)
        yield lambda now: bar.update(
            task, completed=now.done, total=now.total, description=_described(now)
        )


def _described(now: Progress) -> str:
    """How far, in tracks and hours of audio, and how fast.

    >>> _described(Progress(done=12, total=351, audio_s=2700, elapsed_s=6))
    '12/351 tracks, 0.8 h, 450 x real time'
    """
    speed = now.audio_s / now.elapsed_s if now.elapsed_s else 0.0
    return f"{now.done}/{now.total} tracks, {now.audio_s / 3600:.1f} h, {speed:.0f} x real time"
