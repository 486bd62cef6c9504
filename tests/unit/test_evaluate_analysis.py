"""`evaluate analysis`: annotations are read, and an analysis is scored as the field does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fingerprinter.cli.app import app
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.analysis import PieceScores, join_parts, score_piece
from fingerprinter.evaluation.annotations import Annotation, read_annotations
from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.rendered_music import STYLES, render_piece
from fingerprinter.library import open_library
from fingerprinter.types import Key, Loudness, MusicAnalysis, Section

MUSIC = Path(__file__).resolve().parents[1] / "music"
BEATS_S = np.arange(0.5, 30, 0.5)
SECTIONS = [Section(0, 10, "A"), Section(10, 20, "B"), Section(20, 30, "A")]
FOUND = MusicAnalysis(
    tempo_bpm=120.0,
    tempo_confidence=1.0,
    beats_s=tuple(BEATS_S.tolist()),
    key=Key("A", "minor", 0.9),
    sections=tuple(SECTIONS),
    loudness=Loudness(None, None, None),
)
TRUE = Annotation(tempo_bpm=120.0, beats_s=BEATS_S, key="A minor", sections=SECTIONS)


def test_a_right_analysis_has_full_scores() -> None:
    assert score_piece(FOUND, TRUE, 30.0) == PieceScores(1, 1, 1, 1, 1, 1, 1, 1)


def test_what_is_not_annotated_is_not_scored() -> None:
    assert score_piece(FOUND, Annotation(), 30.0) == PieceScores()


@pytest.mark.parametrize(
    ("bpm", "right", "octave"),
    [(124.0, 1, 1), (126.0, 0, 0), (60.0, 0, 1), (40.0, 0, 1), (365.0, 0, 1), (80.0, 0, 0)],
)
def test_tempos_are_right_within_four_percent(bpm: float, right: int, octave: int) -> None:
    scores = score_piece(replace(FOUND, tempo_bpm=bpm), TRUE, 30.0)
    assert (scores.tempo, scores.tempo_or_octave) == (right, octave)


@pytest.mark.parametrize(
    ("key", "score"),
    [
        (Key("E", "minor", 1), 0.5),
        (Key("C", "major", 1), 0.3),
        (Key("A", "major", 1), 0.2),
        (Key("Bb", "minor", 1), 0.0),
        (None, 0.0),
    ],
)
def test_near_keys_count_in_part(key: Key | None, score: float) -> None:
    scores = score_piece(replace(FOUND, key=key), TRUE, 30.0)
    assert (scores.key, scores.key_weighted) == (0, score)


def test_beats_count_within_seventy_milliseconds() -> None:
    near = replace(FOUND, beats_s=tuple(BEATS_S + 0.06))
    far = replace(FOUND, beats_s=tuple(BEATS_S + 0.08))
    assert score_piece(near, TRUE, 30.0).beats == pytest.approx(1)
    assert score_piece(far, TRUE, 30.0).beats == 0
    assert score_piece(replace(FOUND, beats_s=()), TRUE, 30.0).beats == 0


def test_boundaries_count_within_half_a_second_and_three() -> None:
    late = [Section(0, 11, "A"), Section(11, 21, "B"), Section(21, 30, "A")]
    scores = score_piece(replace(FOUND, sections=tuple(late)), TRUE, 30.0)
    assert scores.boundaries_3s == 1
    assert scores.boundaries_half_s == pytest.approx(0.5)  # the two ends
    assert 0.8 < (scores.section_pairs or 0) < 1
    assert score_piece(replace(FOUND, sections=()), TRUE, 30.0).boundaries_3s is not None


def test_rendered_pieces_have_their_tempo_in_the_samples() -> None:
    for style in STYLES:
        piece = render_piece(style, 3, 8000, 10.0)
        assert len(piece.samples) == 80_000 and np.abs(piece.samples).max() < 0.5
        assert np.diff(piece.beats_s) == pytest.approx(60 / piece.bpm)
        np.testing.assert_array_equal(piece.samples, render_piece(style, 3, 8000, 10.0).samples)


def test_joined_parts_have_the_sections_of_their_form() -> None:
    recordings = [
        Recording(str(MUSIC / name), number, 30.0)
        for number, name in enumerate(("kenta_cho-stg1.opus", "jordan_trudgett-theme1.opus"))
    ]
    joined = join_parts("ABAB", recordings, np.random.default_rng(2))
    assert joined is not None
    samples, truth = joined
    assert truth.sections is not None
    assert "".join(each.label for each in truth.sections) == "ABAB"
    assert truth.sections[-1].end_s == pytest.approx(len(samples) / 22_050, abs=0.01)
    assert join_parts("ABC", recordings, np.random.default_rng(2)) is None


# --- annotations


def test_annotations_come_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "song.tempo").write_text("120.5\n", encoding="utf-8")
    (tmp_path / "song.key").write_text("Am\n", encoding="utf-8")
    (tmp_path / "song.beats").write_text("0.5 1\n1.0 2\n\n", encoding="utf-8")
    (tmp_path / "other.sections").write_text("0 10 verse one\n10 20 B\n", encoding="utf-8")
    found = read_annotations(tmp_path)
    assert (found["song"].tempo_bpm, found["song"].key) == (120.5, "A minor")
    np.testing.assert_array_equal(found["song"].beats_s, [0.5, 1.0])
    assert found["song"].sections is None
    assert found["other"].sections == [Section(0, 10, "verse one"), Section(10, 20, "B")]


def test_annotations_come_from_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "beats.txt").write_text("0.5\n", encoding="utf-8")
    file = tmp_path / "truth.csv"
    file.write_text("file,tempo,key,beats\nmusic/a.flac,90,,beats.txt\nb,,F# minor,\n")
    found = read_annotations(file)
    assert found["a"].tempo_bpm == 90 and found["a"].key is None
    assert found["a"].beats_s is not None and found["b"].beats_s is None
    assert found["b"].key == "F# minor"


def test_annotations_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no annotation in it"):
        read_annotations(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        read_annotations(tmp_path / "none.csv")
    (tmp_path / "song.key").write_text("H moll", encoding="utf-8")
    with pytest.raises(UsageError, match=r"song: H moll: not a key"):
        read_annotations(tmp_path)
    (tmp_path / "truth.csv").write_text("name\nsong\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no column `file`"):
        read_annotations(tmp_path / "truth.csv")


# --- the command


@pytest.mark.slow
def test_the_command_compares_with_annotations_or_makes_music(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    with open_library(url) as library:
        library.index([MUSIC / "kenta_cho-stg1.opus"], embeddings=False, jobs=1)
    truth = tmp_path / "truth.csv"
    truth.write_text("file,key\nkenta_cho-stg1.opus,C major\n", encoding="utf-8")
    command = ["--db", url, "evaluate", "analysis", "--pieces", "1"]
    run = CliRunner().invoke(app, [*command, "--annotations", str(truth), "--json"])
    assert run.exit_code == 0, run.output
    (row,) = json.loads(run.output)["rows"]
    assert (row["music"], row["pieces"]) == ("annotated tracks", 1)
    assert set(row) == {"music", "pieces", "key", "key_weighted"}
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 0, run.output
    assert "waltz" in run.output and "weighted" in run.output
    truth.write_text("file,key\nother.opus,C major\n", encoding="utf-8")
    run = CliRunner().invoke(app, [*command, "--annotations", str(truth)])
    assert run.exit_code == 2
