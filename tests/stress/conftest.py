"""Where the stress tests keep their libraries: SQLite files, or databases of a private server."""

from __future__ import annotations

from pathlib import Path

import pytest
from workload import Libraries, PostgresLibraries, SqliteLibraries


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def libraries(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Libraries:
    """Libraries by name in each kind of database."""
    if request.param == "postgresql":
        return PostgresLibraries(request.getfixturevalue("postgresql_server"))
    return SqliteLibraries(tmp_path_factory.mktemp("libraries"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder for music and derived files."""
    return tmp_path_factory.mktemp("stress")
