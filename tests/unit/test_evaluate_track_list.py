"""`evaluate track-list`: mixes say truly what plays when, and track lists are judged rightly."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from typer.testing import CliRunner

from fingerprinter.cli.app import app
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.jingles import draw_jingles
from fingerprinter.evaluation.judge import likeness
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.mixes import Mix, MixPlan, PlayedTrack, crossfaded, draw_mix
from fingerprinter.evaluation.track_list import judge_track_list
from fingerprinter.library import open_library
from fingerprinter.types import Match, Track
from tests.synthetic import SR, play

DURATION_S = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixes")
    for seed in range(4):
        soundfile.write(folder / f"{seed}.flac", play(seed, DURATION_S), SR)
    return folder


@pytest.fixture(scope="module")
def recordings(folder: Path) -> list[Recording]:
    return [Recording(str(folder / f"{seed}.flac"), seed, DURATION_S) for seed in range(4)]


def test_a_crossfade_keeps_the_power_of_unrelated_sounds() -> None:
    one, two = np.random.default_rng(0).standard_normal((2, 30_000)).astype(np.float32)
    both = crossfaded(one, two, 20_000)
    assert len(both) == 40_000
    np.testing.assert_array_equal(both[:10_000], one[:10_000])
    np.testing.assert_array_equal(both[30_000:], two[20_000:])
    assert both[15_000:25_000].std() == pytest.approx(1, rel=0.03)


@pytest.mark.slow
def test_a_mix_plays_what_it_says(recordings: list[Recording]) -> None:
    plan = MixPlan(tracks=3, slot_s=25, change=0.0)
    mix = draw_mix(plan, recordings, [], np.random.default_rng(5))
    assert len({each.recording.path for each in mix.played}) == 3
    for each in mix.played:
        at_s = (each.start_s + each.fade_in_s + each.end_s - each.fade_out_s) / 2
        second = each.offset_s + at_s - each.start_s
        piece = play(int(Path(each.recording.path).stem), DURATION_S)
        heard = mix.samples[round(at_s * SR) :][:SR]
        assert likeness(heard, piece[round((second - 0.01) * SR) :][: SR + SR // 50]) > 0.99
    for one, two in zip(mix.played[:-1], mix.played[1:], strict=True):
        assert one.fade_out_s == two.fade_in_s == pytest.approx(one.end_s - two.start_s)
    assert mix.played[-1].end_s == pytest.approx(mix.duration_s)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_mix_with_unknown_music(recordings: list[Recording]) -> None:
    outside = [replace(recordings[3], track_id=None)]
    one, same = (
        draw_mix(MixPlan(3, 25), recordings[:3], outside, np.random.default_rng(1))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.samples, same.samples)
    assert [each.recording.track_id is None for each in one.played] == [False, False, True, False]
    assert all(0.94 <= each.warp.tempo <= 1.06 for each in one.played)


@pytest.mark.slow
def test_speech_lies_over_every_second_transition(recordings: list[Recording]) -> None:
    def spoken(n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        return rng.standard_normal(n).astype(np.float32)

    plain, with_speech = (
        draw_mix(MixPlan(4, 25, 0.0, speech), recordings, [], np.random.default_rng(5))
        for speech in (None, spoken)
    )
    assert with_speech.played == plain.played
    changed = np.flatnonzero(with_speech.samples != plain.samples) / SR
    middles_s = [each.start_s + each.fade_in_s / 2 for each in plain.played]
    assert changed[-1] - changed[0] >= 8
    assert np.all(np.min(np.abs(changed[:, None] - middles_s[1::2]), axis=1) <= 10.0)


@pytest.mark.slow
def test_jingles_stand_alone_where_they_are_said_to_be(recordings: list[Recording]) -> None:
    mix = draw_jingles(3, recordings, None, np.random.default_rng(2))
    is_sound = np.abs(mix.samples) > 0
    for each in mix.played:
        assert 2 <= each.end_s - each.start_s <= 5
        start, end = round(each.start_s * SR), round(each.end_s * SR)
        assert is_sound[start:end].mean() > 0.9
        assert not is_sound[start - SR : start].any()
        is_sound[start:end] = False
    assert not is_sound.any()


def test_without_long_recordings_there_are_no_jingles() -> None:
    with pytest.raises(UsageError, match="no audible part of a recording of 10 s or more"):
        draw_jingles(3, [Recording("a", 1, 5.0)], None, np.random.default_rng(0))


def test_without_long_recordings_there_is_no_mix() -> None:
    with pytest.raises(UsageError, match="no recording of 30 s or more"):
        draw_mix(MixPlan(), [Recording("a", 1, 20.0)], [], np.random.default_rng(0))


def match(id_: int, start_s: float, end_s: float, offset_s: float, tempo: float = 1.0) -> Match:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    track = Track(id_, None, *[None] * 6, 300.0, f"{id_:032x}", None, now)
    return Match(track, 50.0, 0.99, offset_s, start_s, end_s, tempo)


def test_entries_are_held_against_what_plays() -> None:
    played = (
        PlayedTrack(Recording("a", 1), 0.0, 110.0, 0.0, 10.0, 20.0, Warp(1.0, 1.0)),
        PlayedTrack(Recording("b", 2), 100.0, 200.0, 10.0, 10.0, 0.0, Warp(1.05, 1.05)),
        PlayedTrack(Recording("c", None), 190.0, 250.0, 10.0, 0.0, 0.0, Warp(1.0, 1.0)),
    )
    mix = Mix(np.zeros(250 * SR, np.float32), played)
    matches = [
        match(1, 1.0, 101.0, 20.0),
        match(2, 105.0, 195.0, -105.0, 1.05),
        match(9, 130.0, 140.0, 0.0),  # does not play
        match(1, 150.0, 160.0, 0.0),  # does not play any more
    ]
    result = judge_track_list(mix, matches)
    assert (result.found, result.wrong) == (Rate(2, 2), Rate(2, 4))
    assert result.boundary_errors_s == (1.0, -9.0, 5.0, -5.0)
    assert result.middle_errors_s == (1.0, -4.0, 0.0, 0.0)
    assert (result.boundaries, result.middle_boundaries) == (Rate(1, 4), Rate(3, 4))
    assert (result.tempo, result.placed) == (Rate(2, 2), Rate(2, 2))
    assert judge_track_list(mix, matches, [frozenset({2, 9})]).wrong == Rate(1, 4)
    assert judge_track_list(mix, []).median_boundary_error_s is None


@pytest.mark.slow
def test_the_command_lists_mixes_of_the_library(folder: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    with open_library(url) as library:
        library.index([folder / f"{seed}.flac" for seed in range(3)], embeddings=False, jobs=1)
    command = ["--db", url, "evaluate", "track-list", "--mixes", "1", "--tracks", "3"]
    run = CliRunner().invoke(app, [*command, "--slot", "30", "--seed", "2"])
    assert run.exit_code == 0, run.output
    assert "3 of 3" in run.output and "boundaries in 3 s" in run.output
    outside = str(folder / "3.flac")
    run = CliRunner().invoke(app, [*command, "--slot", "30", "--outside", outside, "--json"])
    record = json.loads(run.output)
    assert record["total"]["found"]["total"] == 3
    assert record["total"]["wrong"]["count"] == 0
    assert {"seed", "corpus", "machine", "mixes"} <= set(record)
    jingles = ["--jingles", "1", "--speech", outside, "--monitor"]
    run = CliRunner().invoke(app, [*command, *jingles, "--json"])
    mixes = json.loads(run.output)["mixes"]
    assert [each["name"] for each in mixes] == ["jingles in silence", "jingles in speech"]
    assert [each["found"]["count"] for each in mixes] == [1, 1]
    assert record["total"]["wrong"]["count"] == 0
