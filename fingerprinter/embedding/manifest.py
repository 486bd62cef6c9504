"""Commit of an immutable file: written aside, synced, renamed, then named by a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = 1  # of the index file: the transforms and the index in it

_MANIFEST = "manifest.json"
_LITTER_S = 3600  # a file without a manifest, so much older than the newest, has no writer any more


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """Which library, in which state, an index file was made from."""

    library_id: str
    revision: int
    model: str
    count: int
    dim: int
    sha256: str
    format: int = FORMAT

    @property
    def file_name(self) -> str:
        """Named by its content: a file is never replaced by another."""
        return f"{self.sha256}.faiss"


def read_manifest(directory: Path) -> IndexManifest | None:
    """What is committed in a folder; None when nothing is, or it cannot be read."""
    try:
        return IndexManifest(**json.loads((directory / _MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_intact(directory: Path, manifest: IndexManifest) -> bool:
    """Whether the file that the manifest names is there, byte for byte."""
    try:
        with (directory / manifest.file_name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == manifest.sha256
    except OSError:
        return False


def commit(
    directory: Path, write: Callable[[Path], None], manifest: Callable[[str], IndexManifest]
) -> IndexManifest:
    """Makes a new file and then the manifest that names it; any number of processes at once.

    ``write`` makes the file at a path; ``manifest`` takes its SHA-256. A reader sees
    the state before or the state after. Raises OSError, and what ``write`` raises.
    """
    directory.mkdir(parents=True, exist_ok=True)
    before = read_manifest(directory)
    with _aside(directory) as path:
        write(path)
        now = manifest(_synced_digest(path))
        path.replace(directory / now.file_name)
    _sync_directory(directory)  # the file must last before the manifest that names it
    with _aside(directory) as path:
        path.write_text(json.dumps(asdict(now), indent=2), encoding="utf-8")
        _synced_digest(path)
        path.replace(directory / _MANIFEST)
    _sync_directory(directory)
    _sweep(directory, now, before)
    return now


@contextmanager
def _aside(directory: Path) -> Iterator[Path]:
    """A path that no other writer uses; gone in the end, unless renamed."""
    path = directory / f"{uuid.uuid4().hex}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _synced_digest(path: Path) -> str:
    """SHA-256 of a file that is on the disk when this returns."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_directory(directory: Path) -> None:
    """Makes renames last; Windows cannot open a folder, and needs no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(directory: Path, now: IndexManifest, before: IndexManifest | None) -> None:
    """Removes the file that was replaced, and what killed writers left behind.

    What another writer is about to commit is neither: it is no older than an hour.
    """
    replaced = None if before is None else before.file_name
    newest = (directory / now.file_name).stat().st_mtime
    for path in [*directory.glob("*.faiss"), *directory.glob("*.tmp")]:
        with suppress(OSError):  # removed by another writer, or still mapped on Windows
            if path.name != now.file_name and (
                path.name == replaced or path.stat().st_mtime < newest - _LITTER_S
            ):
                path.unlink()
