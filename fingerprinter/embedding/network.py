"""ONNX files: verified against a digest and run on one thread."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprinter.errors import ModelError

_ERRORS_ONLY = 3  # severity from which onnxruntime writes to stderr


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A file of a model whose digest is known.

    Attributes
    ----------
    path
        The file.
    sha256
        Its expected digest, 64 hex digits.
    digest_source
        Where the expected digest comes from ("card" or "manifest.json"), for error messages.
    advice
        What to do if the file cannot be used, for error messages.
    """

    path: Path
    sha256: str
    digest_source: str
    advice: str

    def verify(self) -> None:
        """Raise `ModelError` unless the file exists and has the expected digest."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{self.path}: {error.strerror}; {self.advice}") from error
        if found != self.sha256:
            raise ModelError(
                f"{self.path}: SHA-256 {found[:16]}, {self.digest_source} says {self.sha256[:16]};"
                f" {self.advice}"
            )

    def session(self) -> Any:
        """Load the network for one thread.

        Loads onnxruntime, which takes 0.2 s.

        Returns
        -------
        onnxruntime.InferenceSession
            The network.

        Raises
        ------
        ModelError
            If onnxruntime cannot load the file.
        """
        # Without it onnxruntime keeps an id of the machine and sends reports of its use.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        with self.translate_errors():
            return onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Convert errors of onnxruntime and tokenizers to `ModelError`.

        The two libraries share no base class of errors.
        """
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{self.path}: cannot be used ({reason}); {self.advice}") from error
