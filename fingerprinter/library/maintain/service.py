"""Values of a service that are stored in its library."""

from __future__ import annotations

from fingerprinter.library.maintain.jobs import JobTable
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import library_metadata


class ServiceValues:
    """Secrets and the queue of jobs of a service; `Library.service` is one.

    Each value is read from the library when it is asked for, because all processes of a service
    share it.

    Parameters
    ----------
    database : Database
        The library.

    Attributes
    ----------
    jobs : JobTable
        The queue of long work.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.jobs = JobTable(database)

    @property
    def access_digest(self) -> str | None:
        """SHA-256 of the token that the service demands, hexadecimal; None without a token."""
        return self._get(library_metadata.ACCESS_DIGEST)

    @access_digest.setter
    def access_digest(self, digest: str) -> None:
        self._put(library_metadata.ACCESS_DIGEST, digest)

    @property
    def app_password(self) -> str | None:
        """The password for players of the OpenSubsonic protocol; None if none was made.

        It is stored as it is, because players prove that they know it by a digest of it with a
        salt of their own. Use a random one, as `fingerprinter serve --app-password` does.
        """
        return self._get(library_metadata.APP_PASSWORD)

    @app_password.setter
    def app_password(self, password: str) -> None:
        self._put(library_metadata.APP_PASSWORD, password)

    def check_writable(self) -> None:
        """Check that values can be stored.

        Raises
        ------
        ReadOnlyError
            If the library can only be read.
        """
        with self._database.begin():
            pass

    def _get(self, name: str) -> str | None:
        with self._database.connect() as connection:
            return library_metadata.get(connection, name)

    def _put(self, name: str, value: str) -> None:
        with self._database.begin() as connection:
            library_metadata.put(connection, name, value)
