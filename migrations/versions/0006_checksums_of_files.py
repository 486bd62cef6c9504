"""Checksums of the rows of `file` and `tombstone`.

Answers are made of these rows, too: a file's path, format and part, and which tracks are removed.
"""

from __future__ import annotations

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROWS = 1000  # per statement
# The columns of each checksum, in their order, and the key by which rows are updated.
CHECKED = {
    "file": (
        "path, track_id, size, mtime_ns, start_s, end_s, codec, bit_rate, sample_rate_hz, channels",
        "id",
    ),
    "tombstone": ("track_id", "track_id"),
}


def upgrade() -> None:
    connection = op.get_bind()
    for table, (columns, key) in CHECKED.items():
        kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
        op.add_column(table, sa.Column("checksum", kind))
        read = sa.text(
            f"SELECT {key}, {columns} FROM {table} WHERE {key} > :last ORDER BY {key} LIMIT {ROWS}"
        )
        write = sa.text(f"UPDATE {table} SET checksum = :checksum WHERE {key} = :id")
        last = -1
        while rows := connection.execute(read, {"last": last}).all():
            connection.execute(
                write, [{"id": row[0], "checksum": _checksum(*row[1:])} for row in rows]
            )
            last = rows[-1][0]


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
