"""Commit of immutable files: written aside, synced, renamed, then named by a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = 2  # of the files: what is in each

_MANIFEST = "manifest.json"
_PARTS = ("base", "space", "tail")
_FORMER = ("faiss", "tmp")  # of format 1, and what is being written
_LITTER_S = 3600  # a file without a manifest, so much older than the newest, has no writer any more


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """Which library, in which state, the files of an index were made from.

    files: SHA-256 of each part: base, space and tail
    """

    library_id: str
    revision: int
    model: str
    count: int
    dim: int
    files: dict[str, str]
    format: int = FORMAT

    def file_name(self, part: str) -> str:
        """Named by its content: a file is never replaced by another."""
        return _file_name(part, self.files[part])


def _file_name(part: str, sha256: str) -> str:
    return f"{sha256}.{part}"


def read_manifest(directory: Path) -> IndexManifest | None:
    """What is committed in a folder; None when nothing is, or it cannot be read."""
    try:
        return IndexManifest(**json.loads((directory / _MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_intact(directory: Path, manifest: IndexManifest) -> bool:
    """Whether the files that the manifest names are there, byte for byte."""
    try:
        return all(
            _digest(directory / _file_name(part, manifest.files[part])) == manifest.files[part]
            for part in _PARTS
        )
    except (OSError, KeyError, TypeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit(
    directory: Path,
    parts: Mapping[str, Callable[[Path], None] | str],
    manifest: Callable[[Mapping[str, str]], IndexManifest],
) -> IndexManifest:
    """Makes new files and then the manifest that names them; any number of processes at once.

    parts: what makes the file of each part at a path, or the digest of one that is there
    manifest: takes the digests. A reader sees the state before or the state after.
    Raises OSError, and what makes the files raises.
    """
    directory.mkdir(parents=True, exist_ok=True)
    before = read_manifest(directory)
    now = manifest({part: _placed(directory, part, made) for part, made in parts.items()})
    _sync_directory(directory)  # the files must last before the manifest that names them
    with _aside(directory) as path:
        path.write_text(json.dumps(asdict(now), indent=2), encoding="utf-8")
        _synced_digest(path)
        path.replace(directory / _MANIFEST)
    _sync_directory(directory)
    _sweep(directory, now, before)
    return now


def _placed(directory: Path, part: str, made: Callable[[Path], None] | str) -> str:
    """The digest of a part whose file is under its name."""
    if isinstance(made, str):
        return made
    with _aside(directory) as path:
        made(path)
        sha256 = _synced_digest(path)
        path.replace(directory / _file_name(part, sha256))
    return sha256


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
    return _digest(path)


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
    """Removes the files that were replaced, and what killed writers left behind.

    What another writer is about to commit is neither: it is no older than an hour.
    """
    kept = {now.file_name(part) for part in now.files}
    replaced = set() if before is None else {before.file_name(part) for part in before.files}
    newest = (directory / _MANIFEST).stat().st_mtime
    for path in (found for kind in (*_PARTS, *_FORMER) for found in directory.glob(f"*.{kind}")):
        with suppress(OSError):  # removed by another writer, or still mapped on Windows
            if path.name not in kept and (
                path.name in replaced or path.stat().st_mtime < newest - _LITTER_S
            ):
                path.unlink()
