"""Versions of pieces that are rendered from scores, and what must be installed for it."""

from __future__ import annotations

import importlib.util
import random
import struct
from pathlib import Path

import pytest

from fingerprinter.errors import UsageError
from fingerprinter.evaluation import read_groups, rendered_versions
from fingerprinter.evaluation.rendered_versions import (
    Note,
    midi_file,
    perform_versions,
    render_versions,
)

# A tune over a bass, for 80 quarters.
SCORE = [Note(i, 1, pitch + i % 7, part) for i in range(80) for part, pitch in enumerate((67, 43))]


def test_versions_differ_in_instruments_key_tempo_and_extent() -> None:
    versions = list(perform_versions(SCORE, random.Random(3)))
    assert len(versions) == 4
    assert len({tuple(version.programs) for version in versions}) == 4
    assert len({version.notes[0].pitch for version in versions}) > 1
    ends_s = [max(note.start for note in version.notes) for version in versions]
    assert len(set(ends_s)) == 4 and max(ends_s) < 80
    ensemble, _, part, band = (version.notes for version in versions)
    assert len(part) < len(ensemble)  # a part of the piece only
    assert {note.part for note in band} == {0, 1, 9}  # with drums


def test_versions_follow_from_the_seed() -> None:
    one, same, other = (list(perform_versions(SCORE, random.Random(seed))) for seed in (1, 1, 2))
    assert one == same != other


def test_a_midi_file_has_each_note_on_and_off() -> None:
    version = next(perform_versions(SCORE, random.Random(0)))
    content = midi_file(version)
    assert content[:4] == b"MThd" and content[14:18] == b"MTrk"
    assert struct.unpack(">I", content[18:22])[0] == len(content) - 22
    for note in version.notes:
        for event in ((0x90, note.loudness), (0x80, 0)):
            assert bytes([event[0] + note.part, note.pitch, event[1]]) in content
    assert content.endswith(b"\x00\xff\x2f\x00")


def test_a_score_in_two_formats_is_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [(name, SCORE) for name in ("a", "b", "a", "c", "d")]
    monkeypatch.setattr(rendered_versions, "_require_installed", lambda: None)
    monkeypatch.setattr(rendered_versions, "_scores", lambda *_: iter(scores))
    monkeypatch.setattr(rendered_versions, "_render", lambda *_: None)
    lists = map(read_groups, render_versions(tmp_path, pieces=4))
    tune, report = ([[Path(path).name for path in group] for group in groups] for groups in lists)
    assert tune == [[f"a-{version}.flac" for version in range(1, 5)]]
    assert [group[0] for group in report] == ["b-1.flac", "c-1.flac"]


@pytest.mark.skipif(importlib.util.find_spec("music21") is not None, reason="music21 is installed")
def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="music21"):
        render_versions(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
