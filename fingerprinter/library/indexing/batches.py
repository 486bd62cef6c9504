"""A run over many files: results are committed in batches, failures are collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from fingerprinter.errors import AudioError
from fingerprinter.library.base.progress import OnProgress, Progress
from fingerprinter.library.indexing.workers import F, R
from fingerprinter.types import Problem

Batch = list[tuple[F, R]]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is committed: as soon as it reaches one of these limits.

    Attributes
    ----------
    audio_s : float
        Seconds of audio in the batch. The default gives 3.6 million landmarks, which make one
        segment of level 0.
    elapsed_s : float
        Seconds of work on the batch. A run that is killed loses about so much.
    """

    audio_s: float = 15_000.0
    elapsed_s: float = 20.0


class BatchRun:
    """Counts and problems of one run.

    Parameters
    ----------
    limits : BatchLimits
        When a batch is committed.

    Attributes
    ----------
    audio_s : float
        Seconds of audio in all results.
    failed : int
        Number of files without a result.
    problems : list of Problem
        The reason for each failure, and other problems that the caller adds.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._started = time.monotonic()
        self.audio_s = 0.0
        self.failed = 0
        self.problems: list[Problem] = []

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def fail(self, name: str, message: str) -> None:
        """Count a file that cannot be processed, and note why."""
        self.failed += 1
        self.problems.append(Problem(name, message))

    def process(
        self,
        replies: Generator[tuple[F, R | AudioError], None, None],
        total: int,
        duration_s: Callable[[R], float],
        commit: Callable[[Batch[F, R]], None],
        on_progress: OnProgress,
    ) -> None:
        """Commit results in batches. An interrupt (Ctrl-C) commits the batch that has begun.

        Parameters
        ----------
        replies : generator of (file, result or AudioError)
            The files in order, each with its result. It is closed at the end.
        total : int
            Number of files, for the progress.
        duration_s : callable
            Returns the seconds of audio of a result.
        commit : callable
            Stores a batch, a list of (file, result) that is not empty.
        on_progress : callable
            Is called with a `Progress` after each file.
        """
        batch: Batch[F, R] = []
        batch_s, batch_started = 0.0, time.monotonic()
        try:
            with closing(replies):
                for done, (file, reply) in enumerate(replies, 1):
                    if isinstance(reply, AudioError):
                        self.fail(str(file.path), str(reply))
                    else:
                        batch.append((file, reply))
                        batch_s += duration_s(reply)
                        self.audio_s += duration_s(reply)
                    is_due = time.monotonic() - batch_started >= self._limits.elapsed_s
                    if batch_s >= self._limits.audio_s or is_due:
                        full, batch = batch, []
                        batch_s, batch_started = 0.0, time.monotonic()
                        if full:
                            commit(full)
                    on_progress(Progress(done, total, self.audio_s, self.elapsed_s))
        finally:
            if batch:
                commit(batch)
