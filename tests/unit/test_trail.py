"""A recording followed through a clip, step by step, on peaks made from seeds."""

from __future__ import annotations

import numpy as np
import pytest
from constellations import PER_S, Heard, clip_of, sky

from fingerprinter.core.match.tracking import (
    STEP_FRAMES,
    Correspondence,
    TimeMap,
    explained_peaks,
    fit_time_map,
    measure_step,
)

RECORDING = sky(1, 60)
TRUE = TimeMap(offset=-20 * PER_S, tempo=1.0, pitch=1.0)  # it begins at second 20 of the clip
CLIP = clip_of(90, Heard(RECORDING, 20, 80))
SPAN = 40 * PER_S, 40 * PER_S + STEP_FRAMES


def test_a_recording_that_plays_is_there_beyond_chance() -> None:
    step = measure_step(CLIP, RECORDING, TRUE, SPAN, 1.0)
    assert step.presence == pytest.approx(0.8, abs=0.08)
    assert (step.nats > 0).all()
    assert step.time_map.offset == pytest.approx(TRUE.offset, abs=0.1)


@pytest.mark.parametrize("recording", [sky(2, 60), sky(3, 60, per_s=60)])
def test_another_one_is_not(recording: object) -> None:
    step = measure_step(CLIP, recording, TRUE, SPAN, 1.0)  # type: ignore[arg-type]
    assert step.presence < 0.05
    assert step.nats.sum() < -5


@pytest.mark.parametrize("late", [-2.5, -1.0, 0.75, 3.0])
def test_a_line_that_is_off_is_put_right(late: float) -> None:
    off = TimeMap(TRUE.offset + late, 1.0, 1.0)
    step = measure_step(CLIP, RECORDING, off, SPAN, 3.0)
    assert step.time_map.offset == pytest.approx(TRUE.offset, abs=0.1)


def test_tempo_and_pitch_are_undone() -> None:
    time_map = TimeMap(offset=5.0, tempo=1.06, pitch=0.97)
    clip = sky(5, 40, per_s=10)
    frames, bins = time_map.when(RECORDING.frames), RECORDING.bins * np.float32(time_map.pitch)
    clip = type(clip)(frames.astype(np.float32), bins, RECORDING.salience)
    assert measure_step(clip, RECORDING, time_map, (0, STEP_FRAMES), 1.0).presence > 0.95


def test_beyond_the_recording_nothing_speaks_for_or_against() -> None:
    step = measure_step(CLIP, RECORDING, TRUE, (85 * PER_S, 85 * PER_S + STEP_FRAMES), 1.0)
    assert (step.presence, step.hits, float(np.abs(step.nats).max())) == (0, 0, 0)


def test_nothing_heard_speaks_against() -> None:
    silence = CLIP.take(np.zeros(len(CLIP), np.bool_))
    step = measure_step(silence, RECORDING, TRUE, SPAN, 1.0)
    assert step.presence == 0
    assert step.nats.sum() < 0


def test_what_it_explains_are_its_own_peaks() -> None:
    own = clip_of(90, Heard(RECORDING, 20, 80), noise_per_s=0)
    mask = explained_peaks(CLIP, RECORDING, TRUE, SPAN)
    inside = (CLIP.frames >= SPAN[0]) & (CLIP.frames < SPAN[1])
    theirs = np.isin(CLIP.frames * 4096 + CLIP.bins, own.frames * 4096 + own.bins)
    assert mask[inside & theirs].all()
    assert mask[inside & ~theirs].mean() < 0.1
    assert not mask[~inside][np.abs(CLIP.frames[~inside] - SPAN[0]) > 2].sum() > 3


def test_the_whole_line_goes_through_all_correspondences() -> None:
    correspondences = [Correspondence(f, 7.0 + 1.03 * f, 90) for f in np.arange(64.0, 5000, 128)]
    time_map = fit_time_map(correspondences, TimeMap(0.0, 1.0, 0.9))
    assert (time_map.offset, time_map.tempo, time_map.pitch) == pytest.approx(
        (7.0, 1.03, 0.9), abs=0.02
    )


def test_the_line_follows_a_drift() -> None:
    frames = np.arange(64.0, 8000, 128)
    correspondences = [Correspondence(f, f + 1e-6 * f**2, 90) for f in frames]
    after = frames[-1] + 128
    time_map = fit_time_map(correspondences, TimeMap(0.0, 1.0, 1.0), after)
    assert time_map.at(after) == pytest.approx(after + 1e-6 * after**2, abs=1.0)
    assert time_map.tempo == pytest.approx(1 + 2e-6 * after, abs=4e-3)


def test_without_correspondences_the_line_is_the_one_that_was_found() -> None:
    assert fit_time_map([], TRUE) == fit_time_map([], TRUE, 5.0) == TRUE


def test_one_correspondence_moves_the_line_and_keeps_its_tempo() -> None:
    time_map = fit_time_map([Correspondence(1000.0, 1000 + TRUE.offset + 2, 80)], TRUE, 1200.0)
    assert (time_map.offset, time_map.tempo) == (TRUE.offset + 2, 1.0)
