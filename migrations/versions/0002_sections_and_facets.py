"""Embeddings of the windows of a track, and its timbre, rhythm and harmony.

Both tables are empty at first. The next `index` analyzes the tracks that lack them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Bytes that hardly compress, so PostgreSQL should not try.
PACKED = {"section": ["starts", "vectors"], "facet": ["data"]}


def upgrade() -> None:
    op.create_table(
        "section",
        _of_track(),
        sa.Column("model", sa.String(128), primary_key=True),
        sa.Column("starts", sa.LargeBinary, nullable=False),
        sa.Column("vectors", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "facet",
        _of_track(),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in PACKED.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def _of_track() -> sa.Column[int]:
    key = sa.ForeignKey("track.id", ondelete="CASCADE")
    return sa.Column("track_id", ID, key, primary_key=True)
