"""A worker process: pickled requests on stdin, pickled replies on stdout.

A process of its own kind rather than one of `multiprocessing`: it does not import
the caller's main module, it ends with its parent however that ended (its stdin
closes), and where a decoder crashes on a file, it takes only that file along.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Generic, Protocol, TypeVar

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import FolderTextAudioModel, load_model
from fingerprinter.errors import AudioError
from fingerprinter.library.indexing.extract import ExtractedTrack, extract_track

# The workers share the cores already; threads of theirs would only wait for each other.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound="HasPath")

AHEAD = 4  # files per worker that may be analysed before their turn has come


@dataclass(frozen=True, slots=True)
class ExtractJob:
    """What a worker is made for.

    known: content ids that are in the library already
    text_model: folder of a text-audio model; None: without
    """

    params: LandmarkParams
    embeddings: bool
    known: frozenset[str]
    text_model: Path | None = None

    def prepare(self) -> Callable[[Path], ExtractedTrack]:
        """What a worker does with each file."""
        model = load_model() if self.embeddings else None
        text_model = FolderTextAudioModel(self.text_model) if self.text_model else None
        return lambda path: extract_track(path, self.params, model, self.known, text_model)


class Job(Protocol[R_co]):
    """What workers are made for: a value that can be pickled, and knows what to do with a file."""

    def prepare(self) -> Callable[[Path], R_co]:
        """The work, once all that it needs is loaded; it may raise `AudioError`."""


class HasPath(Protocol):
    """Something that lies in a file."""

    @property
    def path(self) -> Path:
        """Where."""


class Worker(Generic[R]):
    """The parent's end of one worker process; started on first use, again after a crash."""

    def __init__(self, job: Job[R]) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None

    def analyse(self, path: Path) -> R | AudioError:
        """The analysis of a file, or why there is none."""
        process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        try:
            _send(path, process.stdin)
            reply: R | AudioError = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self.stop()
            return AudioError(f"{path}: the decoder crashed on it (status {process.wait()})")
        return reply

    def _start(self) -> subprocess.Popen[bytes]:
        # the parent's modules, never what lies in the working folder: -c would look there first
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # Ctrl-C is the parent's to handle, from the first moment on
        )
        assert process.stdin
        _send(self._job, process.stdin)
        self._process = process
        return process

    def stop(self) -> None:
        """Ends the process, whatever it is at."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()


def run_in_order(files: Sequence[F], job: Job[R], jobs: int) -> Iterator[tuple[F, R | AudioError]]:
    """Analyses files by ``jobs`` processes at a time; the results come in the files' order."""
    workers = [Worker(job) for _ in range(min(jobs, len(files)))]
    idle: SimpleQueue[Worker[R]] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def analyse(file: F) -> R | AudioError:
        worker = idle.get()
        try:
            return worker.analyse(file.path)
        finally:
            idle.put(worker)

    most = AHEAD * len(workers)
    with ThreadPoolExecutor(max(1, len(workers))) as pool:
        try:
            yield from submit_ahead(lambda f: pool.submit(analyse, f).result, files, lambda: most)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.stop()


def submit_ahead(
    submit: Callable[[F], Callable[[], R | AudioError]],
    files: Sequence[F],
    most: Callable[[], int],
) -> Iterator[tuple[F, R | AudioError]]:
    """Each file with its reply, in order, never more than ``most()`` files ahead of the reader.

    submit: begins the work on a file; what it returns waits for the reply
    """
    waiting: deque[tuple[F, Callable[[], R | AudioError]]] = deque()
    for file in files:
        waiting.append((file, submit(file)))
        while len(waiting) >= max(1, most()):
            file_done, reply = waiting.popleft()
            yield file_done, reply()
    for file_done, reply in waiting:
        yield file_done, reply()


def _send(value: object, pipe: IO[bytes]) -> None:
    pickle.dump(value, pipe)
    pipe.flush()


def main() -> None:
    """Answers requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no sessions: Windows
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no reply
    work = pickle.load(requests).prepare()
    while True:
        try:
            path: Path = pickle.load(requests)
        except EOFError:
            return
        answer = _answer(path, work)
        with suppress(BrokenPipeError):  # the parent is gone, and stdin has ended
            _send(answer, replies)


def _answer(path: Path, work: Callable[[Path], R]) -> R | AudioError:
    try:
        return work(path)
    except AudioError as error:
        return error
