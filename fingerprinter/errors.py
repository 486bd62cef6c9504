"""The errors of the package. A user's mistake ends in one line, a bug keeps its traceback.

::

    FingerprinterError
    ├── UsageError            exit 2   HTTP 400   the call makes no sense as it stands
    ├── AudioError            exit 1   HTTP 422   an input could not be read as audio
    ├── UnknownTrackError     exit 3   HTTP 404   the library has no such track
    ├── UnknownJobError       exit 3   HTTP 404   the library has no such job
    └── LibraryError          exit 4   HTTP 503   the database cannot be used
        ├── VersionError                          it was made by another version or other parameters
        ├── ReadOnlyError                         it can only be read (HTTP 403)
        ├── CorruptionError                       stored bytes are not what was written
        ├── ConnectionLostError                   the database server went away
        ├── ModelError                            the embedding model or its index is unusable
        └── ClusterError                          the Dask cluster is unusable

Every message names the thing, says what was found and gives the next step:
``clip.mp4: no audio stream (a video without sound?)``.
"""

from __future__ import annotations

from typing import ClassVar


class FingerprinterError(Exception):
    """The base class of all errors that a caller is expected to handle.

    Attributes
    ----------
    exit_code : int
        Exit status of a command that ends with this error.
    http_status : int
        Status of an HTTP answer that reports this error.
    code : str
        Short name of the kind of error, for programs.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "error"


class UsageError(FingerprinterError):
    """The call makes no sense as it stands."""

    exit_code = 2
    http_status = 400
    code = "usage"


class AudioError(FingerprinterError):
    """An input could not be read as audio."""

    exit_code = 1
    http_status = 422
    code = "audio"


class UnknownTrackError(FingerprinterError):
    """The library has no such track."""

    exit_code = 3
    http_status = 404
    code = "unknown_track"


class UnknownJobError(FingerprinterError):
    """The library has no such job."""

    exit_code = 3
    http_status = 404
    code = "unknown_job"


class LibraryError(FingerprinterError):
    """The database cannot be used."""

    exit_code = 4
    http_status = 503
    code = "library"


class VersionError(LibraryError):
    """The library was made by another version of the schema or under other parameters."""

    code = "version"


class ReadOnlyError(LibraryError):
    """The library can only be read: its file, its medium, or how it was opened."""

    http_status = 403
    code = "read_only"


class CorruptionError(LibraryError):
    """Stored bytes are not what was written.

    Attributes
    ----------
    found : str
        What was found, without the next step.
    """

    code = "corruption"

    def __init__(self, message: str, found: str | None = None) -> None:
        super().__init__(message)
        self.found = found or message


class ConnectionLostError(LibraryError):
    """The database server went away. The transaction in flight is either whole or undone."""

    code = "connection_lost"


class ModelError(LibraryError):
    """The embedding model or its index cannot be used."""

    code = "model"


class ClusterError(LibraryError):
    """The Dask cluster that was named cannot be used."""

    code = "cluster"
