"""Child processes that take pickled requests from a pipe and write pickled replies to another.

They replace `multiprocessing` for three reasons. A child does not import the caller's main module.
It ends when its parent ends for whatever reason, because its pipe of requests closes. And a decoder
that crashes costs only the file that it worked on.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

_ENVIRONMENT = {
    # The children share the cores already. Threads of theirs would only wait for each other.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # glibc keeps what was freed. Arrays of some megabytes come and go, and the kernel would clear
    # their pages each time: a tenth of the processor time of `index`.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 26),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
}

Main = Callable[[IO[bytes], IO[bytes]], None]
"""The program of a child: a function of a module, of its requests and its replies."""


class ChildProcess:
    """The parent's side of a child process.

    Parameters
    ----------
    main : callable
        What the child runs: a function of a module that takes the pipes of requests and replies.
    fork : bool
        Whether to fork where that is safe. A forked child starts within milliseconds, because it
        has the modules of its parent.
    """

    def __init__(self, main: Main, *, fork: bool = False) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # A fork copies only the thread that calls it. A lock that another one holds stays locked.
        if fork and sys.platform == "linux" and threading.enumerate() == [threading.main_thread()]:
            self._fork(main)
        else:
            self._spawn(main)

    def _spawn(self, main: Main) -> None:
        """Start a new interpreter that looks for modules where this one does."""
        # With -c Python would search the working folder first; use the parent's path instead.
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import run;"
            f" from {main.__module__} import {main.__name__}; run({main.__name__})"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # only the parent handles Ctrl-C
        )
        assert process.stdin
        assert process.stdout
        self._process, self.pid = process, process.pid
        self._requests, self._replies = process.stdin, process.stdout

    def _fork(self, main: Main) -> None:
        # Ctrl-C waits until the child runs. Python would only print one that comes meanwhile.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._fork_uninterrupted(main)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _fork_uninterrupted(self, main: Main) -> None:
        requests, to_child = os.pipe()
        from_child, replies = os.pipe()
        with warnings.catch_warnings():  # Python counts threads of libraries, which only compute
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            try:
                os.close(to_child)
                os.close(from_child)
                null = os.open(os.devnull, os.O_RDWR)
                for stream in range(3):  # what decoders print must not mix in
                    os.dup2(null, stream)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                main(os.fdopen(requests, "rb"), os.fdopen(replies, "wb"))
            finally:
                os._exit(1)  # nothing of the parent's may be flushed or closed
        os.close(requests)
        os.close(replies)
        self._requests, self._replies = os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb")

    def send(self, request: Any) -> None:
        """Send a request; does nothing if the child has ended."""
        with suppress(BrokenPipeError):  # `receive` finds that out, too
            send(request, self._requests)

    def receive(self) -> Any:
        """Return the next reply; raises ``EOFError`` if the child has ended."""
        try:
            return pickle.load(self._replies)
        except pickle.UnpicklingError as error:  # it ended within a reply
            raise EOFError from error

    def stop(self) -> int:
        """Kill the child, and return its exit status; negative is the number of a signal."""
        # A child that has closed its pipe is about to end, and keeps its own status.
        if self._process:
            self._process.kill()
            status = self._process.wait()
        else:
            try:
                os.kill(self.pid, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except (ChildProcessError, ProcessLookupError):  # the program ignores its children
                status = 1
        for pipe in (self._requests, self._replies):
            with suppress(BrokenPipeError):
                pipe.close()
        return status


def run(main: Main) -> None:
    """Run the program of a spawned child on standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows has no sessions
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # output of decoders must not mix in
    main(sys.stdin.buffer, replies)


def send(value: Any, pipe: IO[bytes]) -> None:
    """Write a pickled value to a pipe."""
    pickle.dump(value, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def receive_requests(pipe: IO[bytes]) -> SimpleQueue[Any]:
    """Read requests in a thread, and end this process at once when its parent has ended.

    The parent may have been killed. Then the end of the pipe is the only sign of it.

    Parameters
    ----------
    pipe : binary file
        Gives pickled requests until the parent ends or closes it.

    Returns
    -------
    SimpleQueue
        The requests.
    """
    requests: SimpleQueue[Any] = SimpleQueue()

    def read() -> None:
        try:
            while True:
                requests.put(pickle.load(pipe))
        except EOFError:
            os._exit(0)
        finally:
            os._exit(1)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return requests
