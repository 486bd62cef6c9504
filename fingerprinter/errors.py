"""One tree of errors; a user's mistake ends in one line, a bug keeps its traceback.

::

    FingerprinterError
    ├── UsageError            exit 2   HTTP 400   the call makes no sense as it stands
    ├── AudioError            exit 1   HTTP 422   an input could not be read as audio
    ├── UnknownTrackError     exit 3   HTTP 404   no such track in the library
    └── LibraryError          exit 4   HTTP 503   the database cannot be used
        ├── VersionError                          ... another version or other parameters made it
        ├── CorruptionError                       ... its bytes are not what was written
        ├── ConnectionLostError                   ... its server went away
        ├── ModelError                            the embedding model or its index cannot be used
        └── ClusterError                          the Dask cluster that was named cannot be used

Every message names the thing, what was found and the next step.
"""

from __future__ import annotations

from typing import ClassVar


class FingerprinterError(Exception):
    """Root of the tree."""

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
    """No such track in the library."""

    exit_code = 3
    http_status = 404
    code = "unknown_track"


class LibraryError(FingerprinterError):
    """The database cannot be used."""

    exit_code = 4
    http_status = 503
    code = "library"


class VersionError(LibraryError):
    """The library was made by another version of the schema or under other parameters."""

    code = "version"


class CorruptionError(LibraryError):
    """Stored bytes are not what was written."""

    code = "corruption"


class ConnectionLostError(LibraryError):
    """The database's server went away: the transaction in flight is undone, or is whole."""

    code = "connection_lost"


class ModelError(LibraryError):
    """The embedding model or its index cannot be used."""

    code = "model"


class ClusterError(LibraryError):
    """The Dask cluster that was named cannot be used."""

    code = "cluster"
