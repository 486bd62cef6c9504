"""Identification of many clips in several processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fingerprinter.errors import AudioError, FingerprinterError
from fingerprinter.library.identify.recognizer import Recognition
from fingerprinter.library.indexing.workers import run_in_order
from fingerprinter.library.opening import open_library

P = TypeVar("P", bound=str | os.PathLike[str])


@dataclass(frozen=True, slots=True)
class TimedRecognition:
    """What is heard in a clip.

    Attributes
    ----------
    recognition : Recognition
        The answer.
    elapsed_s : float
        Seconds that reading and searching took.
    """

    recognition: Recognition
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class _ClipFile:
    path: Path

    @property
    def source(self) -> os.PathLike[str]:
        """What a worker reads."""
        return self.path


@dataclass(frozen=True, slots=True)
class _RecognizeJob:
    """The work of a process: it opens the library once, and identifies one clip after another."""

    url: str | os.PathLike[str] | None
    min_confidence: float | None
    all_matches: bool
    alternatives: int
    versions: bool

    def prepare(self) -> Callable[[os.PathLike[str]], TimedRecognition | FingerprinterError]:
        """Open the library and return the function that identifies one clip."""
        library = open_library(self.url, create=False, read_only=True)

        def recognize(source: os.PathLike[str]) -> TimedRecognition | FingerprinterError:
            start = time.perf_counter()
            try:
                found = library.recognize(
                    source,
                    min_confidence=self.min_confidence,
                    all_matches=self.all_matches,
                    alternatives=self.alternatives,
                    versions=self.versions,
                )
            except FingerprinterError as error:  # raised where the reply is read
                return error
            return TimedRecognition(found, time.perf_counter() - start)

        return recognize


def recognize_files(
    url: str | os.PathLike[str] | None,
    files: Sequence[P],
    *,
    jobs: int,
    min_confidence: float | None = None,
    all_matches: bool = False,
    alternatives: int = 0,
    versions: bool = False,
) -> Generator[tuple[P, TimedRecognition | AudioError], None, None]:
    """Name the recordings in many clips, in several processes.

    Each process opens the library for itself. Its work on a clip is bounded in memory and time, and
    a clip that exceeds the limits costs only its own answer.

    Parameters
    ----------
    url
        Address of the library, see `open_library`.
    files
        The clips.
    jobs
        Number of processes.
    min_confidence, all_matches, alternatives, versions
        See `Library.recognize`.

    Yields
    ------
    file
        The clip, in the order of ``files``.
    answer : TimedRecognition or AudioError
        What is heard in it, or why it could not be read.

    Raises
    ------
    LibraryError
        If the library cannot be used.

    Examples
    --------
    >>> clips = ["a.wav", "b.wav"]
    >>> for file, answer in recognize_files("music.db", clips, jobs=2):  # doctest: +SKIP
    ...     print(file, answer)
    """
    job = _RecognizeJob(url, min_confidence, all_matches, alternatives, versions)
    items = [_ClipFile(Path(file)) for file in files]
    for file, (_, answer) in zip(files, run_in_order(items, job, jobs), strict=True):
        if isinstance(answer, FingerprinterError) and not isinstance(answer, AudioError):
            raise answer
        yield file, answer
