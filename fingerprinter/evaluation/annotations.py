"""Reference annotations of tempo, beats, key and sections, from a CSV file or a folder.

A folder holds, for a track in the file ``NAME.flac``, any of ``NAME.tempo`` (beats a minute),
``NAME.key`` (``A minor``), ``NAME.beats`` (a time in seconds a line) and ``NAME.sections`` (start,
end and label a line). A CSV file has a column ``file`` and any of the columns ``tempo``, ``key``,
``beats`` and ``sections``; the last two name files of the same form, relative to the CSV file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.small_file import read_small_file
from fingerprinter.core.mir.keys import parse_key
from fingerprinter.errors import UsageError
from fingerprinter.types import Section

_KINDS = ("tempo", "key", "beats", "sections")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is true of a piece; ``None`` where it is not annotated.

    Attributes
    ----------
    tempo_bpm
        Tempo in beats per minute.
    beats_s
        (n,) float64, in seconds.
    key
        The key, such as ``A minor``.
    sections
        The sections in their order.
    """

    tempo_bpm: float | None = None
    beats_s: npt.NDArray[np.float64] | None = None
    key: str | None = None
    sections: Sequence[Section] | None = None


def read_annotations(path: Path) -> dict[str, Annotation]:
    """Read annotations by the name of the audio file without its suffix.

    Raises
    ------
    UsageError
        If there are none, or one of them cannot be understood.
    """
    try:
        found = _read_folder(path) if path.is_dir() else _read_csv(path)
    except OSError as error:
        raise UsageError(
            f"{error.filename or path}: {error.strerror}; name a CSV file or a folder"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: no CSV in UTF-8 ({error}); write it again") from error
    if not found:
        raise UsageError(f"{path}: no annotation in it; name a CSV file or a folder of NAME.beats")
    return found


def _read_folder(folder: Path) -> dict[str, Annotation]:
    names = {each.stem for kind in _KINDS for each in folder.glob(f"*.{kind}")}
    files = {
        name: {kind: file for kind in _KINDS if (file := folder / f"{name}.{kind}").is_file()}
        for name in sorted(names)
    }
    return {
        name: _annotation(
            _text(kinds["tempo"]) if "tempo" in kinds else "",
            _text(kinds["key"]) if "key" in kinds else "",
            kinds.get("beats"),
            kinds.get("sections"),
            folder / name,
        )
        for name, kinds in files.items()
    }


def _read_csv(path: Path) -> dict[str, Annotation]:
    rows = list(csv.DictReader(io.StringIO(_text(path), newline="")))
    if rows and "file" not in rows[0]:
        raise UsageError(f"{path}: no column `file`; its first line has to name the columns")
    return {
        Path(row["file"]).stem: _annotation(
            row.get("tempo") or "",
            row.get("key") or "",
            path.parent / row["beats"] if row.get("beats") else None,
            path.parent / row["sections"] if row.get("sections") else None,
            path,
        )
        for row in rows
        if row["file"]
    }


def _annotation(
    tempo: str, key: str, beats: Path | None, sections: Path | None, where: Path
) -> Annotation:
    try:
        return Annotation(
            tempo_bpm=float(tempo) if tempo.strip() else None,
            key=parse_key(key) if key.strip() else None,
            beats_s=np.array([float(line.split()[0]) for line in _lines(beats)]) if beats else None,
            sections=[_section(line) for line in _lines(sections)] if sections else None,
        )
    except ValueError as error:
        raise UsageError(f"{where}: {error}; correct the annotation") from error


def _lines(file: Path) -> list[str]:
    return [line for line in _text(file).splitlines() if line.strip()]


def _text(file: Path) -> str:
    return read_small_file(file).decode("utf-8")


def _section(line: str) -> Section:
    """A section as a line says it: start and end in seconds, and a label."""
    parts = line.split(maxsplit=2)
    if len(parts) < 3:
        raise ValueError(f"{line.strip()}: no section; write its start, end and label")
    return Section(float(parts[0]), float(parts[1]), parts[2].strip())
