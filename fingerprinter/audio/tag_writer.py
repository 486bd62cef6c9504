"""Write what an analysis has found into the tags of a file, and never change its sound."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from fingerprinter.audio.content import content_id
from fingerprinter.errors import AudioError

TagValues: TypeAlias = Mapping[str, str | int | float | None]
"""Values by the names of the package mediafile, such as ``bpm`` and ``initial_key``."""


def read_values(path: str | os.PathLike[str], names: tuple[str, ...]) -> TagValues:
    """Read some tags of a file.

    Parameters
    ----------
    path : path
        The file.
    names : tuple of str
        Names of tags, as mediafile calls them.

    Returns
    -------
    TagValues
        None for a tag that the file lacks.

    Raises
    ------
    AudioError
        If mediafile does not know the format of the file.
    """
    from mediafile import MediaFile, UnreadableFileError

    try:
        file = MediaFile(os.fspath(path))
    except UnreadableFileError as error:
        reason = "tags of this format cannot be written; convert the file, or leave it out"
        raise AudioError(f"{os.fspath(path)}: {reason}") from error
    return {name: getattr(file, name) for name in names}


def write_values(path: str | os.PathLike[str], values: TagValues) -> None:
    """Write tags into a file; all others stay.

    A copy next to the file gets the tags and then takes its place, so that a crash leaves the
    file whole. The copy is used only if its sound is the same, packet by packet. Permissions are
    kept.

    Parameters
    ----------
    path : path
        The file.
    values : TagValues
        The tags to write.

    Raises
    ------
    AudioError
        If the file cannot be written, or if its sound would change.
    """
    from mediafile import MediaFile, UnreadableFileError

    target = Path(path).resolve()  # the file behind a link changes, and the link stays
    handle, name = tempfile.mkstemp(
        prefix=".fingerprinter-", suffix=target.suffix, dir=target.parent
    )
    os.close(handle)
    copy = Path(name)
    try:
        shutil.copyfile(target, copy)
        shutil.copystat(target, copy)
        file = MediaFile(os.fspath(copy))
        for tag, value in values.items():
            setattr(file, tag, value)
        file.save()
        if content_id(copy) != content_id(target):
            raise AudioError(f"{target}: its sound would change; the file was left as it was")
        with copy.open("rb+") as written:
            os.fsync(written.fileno())
        copy.replace(target)
    except UnreadableFileError as error:
        raise AudioError(f"{target}: its tags cannot be written ({error})") from error
    finally:
        copy.unlink(missing_ok=True)
