"""The first schema.

Migrations never change, so each has its own description of its tables. There is no downgrade:
restore a copy of the database that was made before the upgrade.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Packed bytes, which PostgreSQL should not try to compress.
PACKED = {
    "constellation": ["data"],
    "embedding": ["vector", "tags"],
    "segment": ["track_ids", "track_frames"],
    "posting_block": ["data"],
}


def upgrade() -> None:
    _library()
    _per_track()
    _landmarks()
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in PACKED.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def _library() -> None:
    op.create_table(
        "setting",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "track",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("content_id", sa.String(128), nullable=False, unique=True),
        sa.Column("title", sa.Text),
        sa.Column("artist", sa.Text),
        sa.Column("album", sa.Text),
        sa.Column("track_number", sa.Integer),
        sa.Column("year", sa.Integer),
        sa.Column("genre", sa.Text),
        sa.Column("mbid", sa.Text),
        sa.Column("duration_s", sa.Float(53), nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )


def _of_track(**options: bool) -> sa.Column[int]:
    return sa.Column(
        "track_id", ID, sa.ForeignKey("track.id", ondelete="CASCADE"), nullable=False, **options
    )


def _per_track() -> None:
    op.create_table(
        "file",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("path", sa.LargeBinary, nullable=False, unique=True),
        _of_track(),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Index("ix_file_track_id_id", "track_id", "id"),
    )
    op.create_table(
        "constellation",
        _of_track(primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "embedding",
        _of_track(primary_key=True),
        sa.Column("model", sa.String(128), primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("tags", sa.LargeBinary, nullable=False),
    )


def _landmarks() -> None:
    op.create_table(
        "segment",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("prefix_bits", sa.Integer, nullable=False),
        sa.Column("landmark_count", sa.BigInteger, nullable=False),
        sa.Column("frame_count", sa.BigInteger, nullable=False),
        sa.Column("track_ids", sa.LargeBinary, nullable=False),
        sa.Column("track_frames", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "posting_block",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table("tombstone", sa.Column("track_id", ID, primary_key=True, autoincrement=False))
