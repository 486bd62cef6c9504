"""Worker processes that process files in parallel, each under limits of memory and time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Generic, Protocol, TypeVar

from fingerprinter.audio import DecodingLimits, limit_this_process
from fingerprinter.audio.child_process import ChildProcess, receive_requests, send
from fingerprinter.audio.limits import exit_reason
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.printable import printable
from fingerprinter.embedding import FolderTextAudioModel, load_model
from fingerprinter.errors import AudioError
from fingerprinter.library.base.file_items import F, R
from fingerprinter.library.indexing.extract import ExtractedFile, extract_file

# A worker also computes features, and reads the packets of long videos for their content id.
_LIMITS = DecodingLimits(cpu_s=60.0, cpu_s_per_audio_s=1.0)
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
V = TypeVar("V")

AHEAD = 4  # files per worker that may be processed before their turn


class Job(Protocol[R_co]):
    """The work of a worker: a value that can be pickled and makes a function of files."""

    def prepare(self) -> Callable[[os.PathLike[str]], R_co]:
        """Load what the work needs and return the function that processes the source of a file.

        The function may raise `AudioError`.
        """


@dataclass(frozen=True, slots=True)
class ExtractJob:
    """The work of `index`: `extract_file` on each file.

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

    def prepare(self) -> Callable[[os.PathLike[str]], ExtractedFile]:
        """Load the models and return `extract_file` with these settings."""
        model = load_model() if self.embeddings else None
        text_model = FolderTextAudioModel(self.text_model) if self.text_model else None
        return lambda source: extract_file(source, self.params, model, self.known, text_model)


class Worker(Generic[R]):
    """The parent's side of one worker process.

    The process is started by the first request, and started again after a crash.
    """

    def __init__(self, job: Job[R]) -> None:
        self._job = job
        self._process: ChildProcess | None = None

    def process(self, source: os.PathLike[str]) -> R | AudioError:
        """Process the source of a file, and return its result or why there is none."""
        if not self._process:
            self._process = ChildProcess(main)
            self._process.send(self._job)
        self._process.send(source)
        try:
            reply: R | AudioError = self._process.receive()
        except EOFError:
            return AudioError(f"{printable(os.fspath(source))}: {exit_reason(self.stop())}")
        return reply

    def stop(self) -> int:
        """Kill the process, and return its exit status; 0 if none is running."""
        process, self._process = self._process, None
        return process.stop() if process else 0


def run_in_order(
    files: Sequence[F], job: Job[R], jobs: int
) -> Generator[tuple[F, R | AudioError], None, None]:
    """Process files in parallel and yield the results in the order of the files.

    Parameters
    ----------
    files : sequence of F
        Items with a ``source``.
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
            return worker.process(file.source)
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
    submit: Callable[[T], Callable[[], V]], items: Iterable[T], limit: Callable[[], int]
) -> Iterator[tuple[T, V]]:
    """Submit items ahead of the reader and yield each with its reply, in order.

    Parameters
    ----------
    submit : callable
        Begins the work on an item and returns a function that waits for the reply.
    items : iterable of T
        Such as files.
    limit : callable
        Returns how many items may be submitted ahead of the reader at this moment.

    Yields
    ------
    item : T
        The item.
    reply : V
        Its reply.
    """
    waiting: deque[tuple[T, Callable[[], V]]] = deque()
    for item in items:
        waiting.append((item, submit(item)))
        while len(waiting) >= max(1, limit()):
            first, reply = waiting.popleft()
            yield first, reply()
    for first, reply in waiting:
        yield first, reply()


def result_or_error(
    work: Callable[[os.PathLike[str]], R], source: os.PathLike[str]
) -> R | AudioError:
    """Do some work on a file. Return an `AudioError` instead of raising it."""
    try:
        return work(source)
    except AudioError as error:
        return error


def main(pipe: IO[bytes], replies: IO[bytes]) -> None:
    """Serve requests until the parent ends; the program of a worker process."""
    requests = receive_requests(pipe)
    work = requests.get().prepare()
    guard = limit_this_process(_LIMITS)
    while True:
        source = requests.get()
        with guard.one_file():
            reply = result_or_error(work, source)
        send(reply, replies)
