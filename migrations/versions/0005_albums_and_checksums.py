"""Album artist, disc, ISRC, label and cover; audio formats; waveforms; jobs; names; checksums.

The new tags and formats are empty at first, and the next `index` reads them without decoding the
audio. Checksums are computed here. New SQLite libraries get strict tables, which refuse a value of
another type than its column.
"""

from __future__ import annotations

import re
import sqlite3
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
REAL = sa.Float(53).with_variant(sa.REAL, "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text, "sqlite")
ROWS = 256  # per statement: a few MB

# The columns of each checksum, in their order, and the key by which rows are updated.
CHECKED = {
    "track": (
        "content_id title artist album track_number year genre mbid duration_s problem"
        " album_artist disc_number isrc label cover",
        "id",
    ),
    "embedding": ("track_id model vector tags", "track_id model"),
    "section": ("track_id model starts vectors", "track_id model"),
    "facet": ("track_id version data", "track_id"),
    "sketch": ("track_id version data", "track_id"),
    "analysis": ("track_id version tempo_bpm key loudness_lufs details", "track_id"),
    "segment": (
        "level prefix_bits landmark_count frame_count track_ids track_frames",
        "id",
    ),
}
# All tables, each after those that it references.
TABLES = (
    *("setting", "track", "file", "constellation", "embedding", "section", "facet", "sketch"),
    *("analysis", "segment", "posting_block", "tombstone", "waveform", "track_name", "job"),
)
STRICT_TYPES = {
    r"VARCHAR(\(\d+\))?": "TEXT",
    r"BIGINT": "INTEGER",
    r"FLOAT(\(\d+\))?": "REAL",
    r"DATETIME": "TEXT",
}


def upgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    is_new = not connection.scalar(sa.text("SELECT count(*) FROM setting"))
    _add_columns()
    (_rebuild_sqlite_file if is_sqlite else _alter_postgresql_file)()
    _create_tables()
    _fill_checksums(connection)
    if is_sqlite and is_new and sqlite3.sqlite_version_info >= (3, 37):
        _make_strict(connection)
    if is_sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE track_name_words USING fts5(names, content='track_name',"
            " content_rowid='track_id', tokenize='unicode61 remove_diacritics 2', prefix='2 3')"
        )
    else:
        op.execute(
            "CREATE INDEX track_name_words ON track_name USING gin"
            " (array_to_tsvector(array_remove(string_to_array(names, ' '), '')))"
        )


def _add_columns() -> None:
    for column in (
        sa.Column("album_artist", sa.Text),
        sa.Column("disc_number", sa.Integer),
        sa.Column("isrc", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("cover", sa.String(64)),
    ):
        op.add_column("track", column)
    for table in CHECKED:
        op.add_column(table, sa.Column("checksum", ID))


def _rebuild_sqlite_file() -> None:
    """Writes the table again: SQLite cannot change what is unique in a table."""
    op.execute("DROP INDEX ix_file_track_id_id")
    op.execute("ALTER TABLE file RENAME TO old_file")
    op.create_table(
        "file",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("path", sa.LargeBinary, nullable=False),
        _of_track(),
        sa.Column("size", ID, nullable=False),
        sa.Column("mtime_ns", ID, nullable=False),
        *_file_columns(),
        sa.UniqueConstraint("path", "start_s", name="uq_file_path"),
    )
    kept = "id, path, track_id, size, mtime_ns"
    op.execute(f"INSERT INTO file ({kept}) SELECT {kept} FROM old_file")
    op.execute("DROP TABLE old_file")
    op.create_index("ix_file_track_id_id", "file", ["track_id", "id"])


def _alter_postgresql_file() -> None:
    for column in _file_columns():
        op.add_column("file", column)
    connection = op.get_bind()
    for constraint in sa.inspect(connection).get_unique_constraints("file"):
        op.drop_constraint(str(constraint["name"]), "file")
    op.create_unique_constraint("uq_file_path", "file", ["path", "start_s"])


def _file_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("start_s", REAL, nullable=False, server_default="0"),
        sa.Column("end_s", REAL),
        sa.Column("codec", sa.String(32)),
        sa.Column("bit_rate", sa.Integer),
        sa.Column("sample_rate_hz", sa.Integer),
        sa.Column("channels", sa.Integer),
    ]


def _of_track(**options: bool) -> sa.Column[int]:
    return sa.Column(
        "track_id", ID, sa.ForeignKey("track.id", ondelete="CASCADE"), nullable=False, **options
    )


def _create_tables() -> None:
    op.create_table(
        "waveform",
        _of_track(primary_key=True),
        sa.Column("points", sa.LargeBinary, nullable=False),
        sa.Column("checksum", ID),
    )
    op.create_table(
        "track_name",
        _of_track(primary_key=True),
        sa.Column("names", sa.Text, nullable=False),
    )
    op.create_table(
        "job",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request", sa.Text),
        sa.Column("progress", sa.Text),
        sa.Column("report", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "postgresql":  # hardly compresses
        op.execute("ALTER TABLE waveform ALTER COLUMN points SET STORAGE EXTERNAL")


def _fill_checksums(connection: sa.Connection) -> None:
    for table, (columns, key) in CHECKED.items():
        keys = key.split()
        order, same = ", ".join(keys), " AND ".join(f"{name} = :{name}" for name in keys)
        after = f"({order}) > ({', '.join(f':{name}' for name in keys)})"
        first = {name: "" if name == "model" else 0 for name in keys}
        read = sa.text(
            f"SELECT {order}, {columns.replace(' ', ', ')} FROM {table} WHERE {after}"
            f" ORDER BY {order} LIMIT {ROWS}"
        )
        write = sa.text(f"UPDATE {table} SET checksum = :checksum WHERE {same}")
        while rows := connection.execute(read, first).all():
            updates = [
                dict(zip(keys, row, strict=False)) | {"checksum": _checksum(*row[len(keys) :])}
                for row in rows
            ]
            connection.execute(write, updates)
            first = dict(zip(keys, rows[-1], strict=False))


def _checksum(*values: object) -> int:
    """CRC-32 of the values, each after its length; NULL is a hyphen."""
    digest = 0
    for value in values:
        if value is None:
            digest = zlib.crc32(b"-", digest)
            continue
        data = value if isinstance(value, bytes | memoryview) else str(value).encode()
        digest = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), digest))
    return digest


def _make_strict(connection: sa.Connection) -> None:
    """Makes the empty tables of a new library again, as strict ones."""
    find = sa.text(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = :name AND sql IS NOT NULL"
        " ORDER BY type DESC"  # the table, then its indexes
    )
    found = {name: list(connection.scalars(find, {"name": name})) for name in TABLES}
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
    for table, *indexes in found.values():
        for old, new in STRICT_TYPES.items():
            table = re.sub(rf"\b{old}", new, table)
        for statement in (f"{table} STRICT", *indexes):
            connection.exec_driver_sql(statement)
