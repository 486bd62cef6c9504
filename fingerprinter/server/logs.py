"""The log of the service: lines of text, or a JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from fingerprinter.core.printable import printable

_FIELDS = ("method", "path", "status", "seconds", "client")  # of requests


class _TextFormatter(logging.Formatter):
    """Formats a record as one line, with every unsafe character escaped."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        seconds = getattr(record, "seconds", None)
        took = f" {1000 * seconds:.0f} ms" if seconds is not None else ""
        line = f"{when} {record.levelname.lower()} {printable(record.getMessage())}{took}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat()
        entry = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        known = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            known["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry | known)


def configure_logs(form: str) -> None:
    """Send the log of this package and of uvicorn to stderr.

    Parameters
    ----------
    form : "text" or "json"
        What a line is.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    for name in ("fingerprinter", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
