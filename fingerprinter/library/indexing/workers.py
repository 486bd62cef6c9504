"""Worker processes that take pickled requests on stdin and write pickled replies to stdout.

They replace `multiprocessing` for three reasons. A worker does not import the caller's main module.
It ends when its parent ends for whatever reason, because its stdin closes. And a decoder that
crashes costs only the file that it worked on.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
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

# The workers share the cores already, so that threads of theirs would only wait for each other.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound="HasPath")

AHEAD = 4  # files per worker that may be processed before their turn


class HasPath(Protocol):
    """An item whose audio is in a file."""

    @property
    def path(self) -> Path:
        """The file."""


class Job(Protocol[R_co]):
    """The work of a worker: a value that can be pickled and makes a function of files."""

    def prepare(self) -> Callable[[Path], R_co]:
        """Load what the work needs and return the function that processes one file.

        The function may raise `AudioError`.
        """


@dataclass(frozen=True, slots=True)
class ExtractJob:
    """The work of `index`: `extract_track` on each file.

    Attributes
    ----------
    params : LandmarkParams
        Parameters of the peaks and sketches.
    embeddings : bool
        Whether to compute embeddings.
    known : frozenset of str
        Content ids whose features the library has.
    text_model : Path or None
        Folder of a text-audio model.
    """

    params: LandmarkParams
    embeddings: bool
    known: frozenset[str]
    text_model: Path | None = None

    def prepare(self) -> Callable[[Path], ExtractedTrack]:
        """Load the models and return `extract_track` with these settings."""
        model = load_model() if self.embeddings else None
        text_model = FolderTextAudioModel(self.text_model) if self.text_model else None
        return lambda path: extract_track(path, self.params, model, self.known, text_model)


class Worker(Generic[R]):
    """The parent's side of one worker process.

    The process is started by the first request, and started again after a crash.
    """

    def __init__(self, job: Job[R]) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None

    def process(self, path: Path) -> R | AudioError:
        """Process one file, and return its result or why there is none."""
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
        # With -c Python would search the working folder first; use the parent's path instead.
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # only the parent handles Ctrl-C
        )
        assert process.stdin
        _send(self._job, process.stdin)
        self._process = process
        return process

    def stop(self) -> None:
        """Kill the process."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()


def run_in_order(
    files: Sequence[F], job: Job[R], jobs: int
) -> Generator[tuple[F, R | AudioError], None, None]:
    """Process files in parallel and yield the results in the order of the files.

    Parameters
    ----------
    files : sequence of F
        Items with a ``path``.
    job : Job
        The work to do on each file.
    jobs : int
        Number of worker processes.

    Yields
    ------
    file : F
        The item.
    reply : R or AudioError
        Its result, or why there is none.
    """
    workers = [Worker(job) for _ in range(min(jobs, len(files)))]
    idle: SimpleQueue[Worker[R]] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def process(file: F) -> R | AudioError:
        worker = idle.get()
        try:
            return worker.process(file.path)
        finally:
            idle.put(worker)

    limit = AHEAD * len(workers)
    with ThreadPoolExecutor(max(1, len(workers))) as pool:
        try:
            yield from submit_ahead(lambda f: pool.submit(process, f).result, files, lambda: limit)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.stop()


def submit_ahead(
    submit: Callable[[F], Callable[[], R | AudioError]],
    files: Sequence[F],
    limit: Callable[[], int],
) -> Iterator[tuple[F, R | AudioError]]:
    """Submit files ahead of the reader and yield each with its reply, in order.

    Parameters
    ----------
    submit : callable
        Begins the work on a file and returns a function that waits for the reply.
    files : sequence of F
        The files.
    limit : callable
        Returns how many files may be submitted ahead of the reader at this moment.

    Yields
    ------
    file : F
        The file.
    reply : R or AudioError
        Its reply.
    """
    waiting: deque[tuple[F, Callable[[], R | AudioError]]] = deque()
    for file in files:
        waiting.append((file, submit(file)))
        while len(waiting) >= max(1, limit()):
            first, reply = waiting.popleft()
            yield first, reply()
    for first, reply in waiting:
        yield first, reply()


def result_or_error(work: Callable[[Path], R], path: Path) -> R | AudioError:
    """Do some work on a file. Return an `AudioError` instead of raising it."""
    try:
        return work(path)
    except AudioError as error:
        return error


def main() -> None:
    """Serve requests until stdin ends; the program of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows has no sessions
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # output of decoders must not mix in
    work = pickle.load(requests).prepare()
    while True:
        try:
            path: Path = pickle.load(requests)
        except EOFError:
            return
        reply = result_or_error(work, path)
        with suppress(BrokenPipeError):  # the parent has ended, and so does stdin
            _send(reply, replies)


def _send(value: object, pipe: IO[bytes]) -> None:
    pickle.dump(value, pipe)
    pipe.flush()
