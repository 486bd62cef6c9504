"""Files of networks: what their card says, and run on one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprinter.errors import ModelError

_ERRORS_ONLY = 3  # severity of what onnxruntime may say on stderr


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A file whose digest a card or a manifest names.

    said_by: which of them; mend: what to do where the file cannot be used
    """

    path: Path
    sha256: str
    said_by: str
    mend: str

    def verify(self) -> None:
        """Raises `ModelError` unless the file is there and has its digest."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{self.path}: {error.strerror}; {self.mend}") from error
        if found != self.sha256:
            raise ModelError(
                f"{self.path}: SHA-256 {found[:16]}, {self.said_by} says {self.sha256[:16]};"
                f" {self.mend}"
            )

    def session(self) -> Any:
        """The network, on one thread; loads onnxruntime (0.2 s); raises `ModelError`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        with self.one_line():
            return onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )

    @contextmanager
    def one_line(self) -> Iterator[None]:
        """Errors of onnxruntime and tokenizers, which share no base, as `ModelError`."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{self.path}: cannot be used ({reason}); {self.mend}") from error
