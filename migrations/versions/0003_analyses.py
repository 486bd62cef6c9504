"""Tempo, beats, key, sections and loudness of a track.

The table is empty at first. `analyze --all` fills it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    of_track = sa.ForeignKey("track.id", ondelete="CASCADE")
    op.create_table(
        "analysis",
        sa.Column("track_id", ID, of_track, primary_key=True),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("tempo_bpm", sa.Float(53)),
        sa.Column("key", sa.String(16)),
        sa.Column("loudness_lufs", sa.Float(53)),
        sa.Column("details", sa.Text, nullable=False),
    )
