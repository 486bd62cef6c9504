"""Atomic commits of immutable files: written aside, synced, renamed, then named by a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = 2  # version of the file contents

_MANIFEST = "manifest.json"
_PARTS = ("base", "space", "tail")
_OLD_ENDINGS = ("faiss", "tmp")  # files of format 1, and unfinished files
_STALE_AFTER_S = 3600  # an unnamed file this much older than the newest commit has no writer


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """Names the files of an index and the state of the library that they were made from.

    Attributes
    ----------
    library_id, revision
        The library and its state.
    model
        Digest of the embedding model.
    count, dim
        Number of tracks and length of a vector.
    files
        SHA-256 of each part: base, space and tail.
    format
        Version of the file contents.
    """

    library_id: str
    revision: int
    model: str
    count: int
    dim: int
    files: dict[str, str]
    format: int = FORMAT

    def file_name(self, part: str) -> str:
        """Return the file name of a part.

        Files are named by their content, so that one is never replaced by another.
        """
        return _file_name(part, self.files[part])


def _file_name(part: str, sha256: str) -> str:
    return f"{sha256}.{part}"


def read_manifest(directory: Path) -> IndexManifest | None:
    """Read the committed manifest of a folder; None if there is none or it cannot be read."""
    try:
        text = (directory / _MANIFEST).read_text(encoding="utf-8")
        manifest = IndexManifest(**json.loads(text))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    files = manifest.files
    is_whole = isinstance(files, dict) and all(_is_digest(files.get(part)) for part in _PARTS)
    return manifest if is_whole and files.keys() == set(_PARTS) else None


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_intact(directory: Path, manifest: IndexManifest) -> bool:
    """Return whether all files of a manifest exist and have their digests."""
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
    """Write new files and then the manifest that names them.

    A reader sees the state before or after, never between. Any number of processes may commit at
    the same time.

    Parameters
    ----------
    directory
        Folder of the files. It is created if needed.
    parts
        For each part a function that writes it to a path, or the digest of an existing file.
    manifest
        Makes the manifest from the digests of the parts.

    Returns
    -------
    IndexManifest
        The committed manifest.

    Raises
    ------
    OSError
        If a file cannot be written. Errors of the writing functions are passed on.
    """
    directory.mkdir(parents=True, exist_ok=True)
    previous = read_manifest(directory)
    current = manifest({part: _place(directory, part, source) for part, source in parts.items()})
    _sync_directory(directory)  # the files must be durable before the manifest that names them
    with _temporary_path(directory) as path:
        path.write_text(json.dumps(asdict(current), indent=2), encoding="utf-8")
        _sync_and_digest(path)
        path.replace(directory / _MANIFEST)
    _sync_directory(directory)
    _remove_old_files(directory, current, previous)
    return current


def _place(directory: Path, part: str, source: Callable[[Path], None] | str) -> str:
    """Write a part under its final name unless it exists, and return its digest."""
    if isinstance(source, str):
        return source
    with _temporary_path(directory) as path:
        source(path)
        sha256 = _sync_and_digest(path)
        path.replace(directory / _file_name(part, sha256))
    return sha256


@contextmanager
def _temporary_path(directory: Path) -> Iterator[Path]:
    """Yield a path that no other writer uses; a file left there is removed."""
    path = directory / f"{uuid.uuid4().hex}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sync_and_digest(path: Path) -> str:
    """Sync a file to the disk and return its SHA-256."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return _digest(path)


def _sync_directory(directory: Path) -> None:
    """Make renames durable. Windows cannot open a folder and needs no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_old_files(
    directory: Path, current: IndexManifest, previous: IndexManifest | None
) -> None:
    """Remove the replaced files, and what killed writers left behind.

    Files that another writer is about to commit are newer than `_STALE_AFTER_S`, and stay.
    """
    kept = {current.file_name(part) for part in current.files}
    replaced = set() if previous is None else {previous.file_name(part) for part in previous.files}
    newest = (directory / _MANIFEST).stat().st_mtime
    endings = (*_PARTS, *_OLD_ENDINGS)
    for path in (found for ending in endings for found in directory.glob(f"*.{ending}")):
        with suppress(OSError):  # removed by another writer, or still mapped on Windows
            if path.name not in kept and (
                path.name in replaced or path.stat().st_mtime < newest - _STALE_AFTER_S
            ):
                path.unlink()
