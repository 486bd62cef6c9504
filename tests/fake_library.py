"""Libraries of tracks without audio: their names, embeddings and tags are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.embedding import load_model
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import files, library_metadata, names, tracks, vectors
from fingerprinter.types import Tags

Floats = npt.NDArray[np.float32]

MODEL = load_model()


@dataclass(frozen=True)
class FakeTrack:
    """A track to add to a library: its names, its embedding and its tags.

    vector: the first numbers of the embedding, the others are 0
    tags: logits by name, the others are 0
    """

    title: str
    artist: str | None = None
    album: str | None = None
    genre: str | None = None
    mbid: str | None = None
    vector: Sequence[float] = ()
    tags: dict[str, float] = field(default_factory=dict)


def add_fake_tracks(url: str, fake_tracks: Sequence[FakeTrack]) -> list[int]:
    """Adds tracks to a library and returns their ids. Their files are /music/TITLE.flac."""
    with Database.open(url, create=True) as database, database.begin() as connection:
        ids = [_put(connection, each) for each in fake_tracks]
        names.refresh(connection, ids)
        library_metadata.bump_revision(connection)
    return ids


def _put(connection: Connection, each: FakeTrack) -> int:
    tags = Tags(each.title, each.artist, each.album, genre=each.genre, mbid=each.mbid)
    track_id = tracks.add_track(connection, each.title, tags, 180.0, added_at=datetime.now(UTC))
    path = Path("/music") / f"{each.title}.flac"
    files.set_file(connection, path, track_id, size=1, mtime_ns=1)
    vector, logits = np.zeros(MODEL.dim, np.float32), np.zeros(len(MODEL.tags), np.float32)
    vector[: len(each.vector)] = each.vector
    for name, logit in each.tags.items():
        logits[MODEL.tags.index(name)] = logit
    vectors.put(connection, track_id, MODEL.digest, vector, logits)
    return track_id
