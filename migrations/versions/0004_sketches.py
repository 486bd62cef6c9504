"""Sketches of each track: 64 bits per second of audio, by which short clips are identified.

The table is empty at first. The next `index` analyzes the tracks that lack them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    of_track = sa.ForeignKey("track.id", ondelete="CASCADE")
    op.create_table(
        "sketch",
        sa.Column("track_id", ID, of_track, primary_key=True),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":  # hardly compresses
        op.execute("ALTER TABLE sketch ALTER COLUMN data SET STORAGE EXTERNAL")
