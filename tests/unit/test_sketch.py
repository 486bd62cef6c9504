"""Sketches: the same however audio is cut, and like their recording's under noise."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import play

from fingerprinter.core.arrays import Floats
from fingerprinter.core.fingerprint.clip_sketch import (
    ClipSpectrum,
    clip_sketch,
    lay_on_windows,
    warped_windows,
)
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import peak_chunks
from fingerprinter.core.fingerprint.sketch import (
    BANDS,
    HOP,
    WINDOW,
    Sketcher,
    contrast,
    contrast_at,
    cosines,
    effective_patterns,
    make_sketches,
)
from fingerprinter.core.fingerprint.sketch_places import Place, Sketches
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp, WarpGrid
from fingerprinter.evaluation.degrade import stretched
from fingerprinter.evaluation.degrade.outside_sounds import OUTSIDE_SOUNDS
from fingerprinter.library.base.sketch_projections import projections

HOP_SAMPLES = DEFAULT.hop_length


def contrast_of(samples: Floats) -> Floats:
    log_mag = log_spectrogram(samples, DEFAULT)
    return contrast(log_mag, 0, len(log_mag))


def spectrum_of(samples: Floats) -> ClipSpectrum:
    log_mag = log_spectrogram(samples, DEFAULT)
    return ClipSpectrum(contrast(log_mag, 0, len(log_mag)), log_mag)


def noisy(samples: Floats, seed: int, level: float) -> Floats:
    noise = np.random.default_rng(seed).standard_normal(len(samples)).astype(np.float32)
    return samples + noise * np.float32(level * np.sqrt(np.mean(samples**2)))


def codes_of(samples: Floats) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return make_sketches(contrast_of(samples), projections(6))


def test_contrast_marks_levels_above_their_surroundings() -> None:
    rng = np.random.default_rng(0)
    log_mag = rng.normal(-5, 0.1, (80, DEFAULT.max_bin + 1)).astype(np.float32)
    log_mag[40, 300:310] = -1.0
    above = contrast(log_mag, 0, 80)
    assert above.shape == (80, BANDS)
    assert above.min() == 0
    assert np.unravel_index(above.argmax(), above.shape)[0] == 40
    np.testing.assert_allclose(
        contrast(log_mag + 3, 0, 80), above, atol=1e-4
    )  # the gain does not matter


@pytest.mark.parametrize("cuts", [[16_000], [1, 700, 50_000], [160_000]])
def test_contrast_and_sketches_are_the_same_however_the_audio_is_cut(cuts: list[int]) -> None:
    samples = play(3, 40)
    sketcher, rows = Sketcher(projections(6)), []
    for stretch in peak_chunks(np.split(samples, cuts), DEFAULT):
        sketcher.push(stretch.spectrum.contrast)
        rows.append(stretch.spectrum.contrast)
    np.testing.assert_allclose(np.concatenate(rows), contrast_of(samples), atol=2e-4)
    whole = codes_of(samples)
    assert len(whole) == (len(np.concatenate(rows)) - WINDOW) // HOP + 1
    assert whole.shape[1] == 6
    apart = np.bitwise_count(sketcher.sketches() ^ whole)
    assert apart.mean() < 0.1  # a projection near 0 may round to either sign


def test_cosines_are_orthonormal() -> None:
    rng = np.random.default_rng(1)
    smooth = np.cos(np.pi / WINDOW * (np.arange(WINDOW) + 0.5) * 3)[:, None] * np.cos(
        np.pi / BANDS * (np.arange(BANDS) + 0.5) * 7
    )
    found = cosines(smooth[None].astype(np.float32)).reshape(16, 40)
    assert np.unravel_index(np.abs(found).argmax(), found.shape) == (3, 7)
    assert np.square(found).sum() == pytest.approx(np.square(smooth).sum(), rel=1e-4)
    assert cosines(rng.normal(size=(5, WINDOW, BANDS)).astype(np.float32)).shape == (5, 640)


@pytest.mark.parametrize("kind", ["tone", "chord", "morse", "clicks", "siren"])
@pytest.mark.parametrize("length_s", [1, 5])
def test_signals_are_made_of_fewer_patterns_than_music(kind: str, length_s: int) -> None:
    n = length_s * DEFAULT.sr
    music = effective_patterns(contrast_of(play(1, length_s)))
    signals = [
        effective_patterns(contrast_of(OUTSIDE_SOUNDS[kind](n, np.random.default_rng(seed))))
        for seed in range(9)
    ]
    assert np.median(signals) < 0.6 * music


def test_silence_and_nothing_are_one_pattern() -> None:
    assert effective_patterns(np.zeros((50, BANDS), np.float32)) == 1.0
    assert effective_patterns(np.zeros((0, BANDS), np.float32)) == 1.0


def test_silence_has_no_sketch() -> None:
    assert not codes_of(np.zeros(5 * DEFAULT.sr, np.float32)).any()
    assert len(codes_of(np.zeros(DEFAULT.sr // 2, np.float32))) == 0
    clip = clip_sketch(contrast_of(np.zeros(2 * DEFAULT.sr, np.float32)), projections(6))
    assert not clip.weights.any()
    assert Sketches([codes_of(play(0, 20))]).nearest(clip, 3) == []


@pytest.mark.slow
@pytest.mark.parametrize("start_s", [0.0, 3.21, 17.77])
def test_a_noisy_clip_is_most_like_its_own_place(start_s: float) -> None:
    music = [play(seed, 20) for seed in range(6)]
    known = Sketches([codes_of(samples) for samples in music])
    first = round(start_s * DEFAULT.sr)
    clip = noisy(music[4][first : first + 2 * DEFAULT.sr], 9, 1.0)
    sketch = clip_sketch(contrast_of(clip), projections(6))
    near = known.nearest(sketch, 4)
    assert near[0].number == 4
    assert near[0].offset == pytest.approx(first / HOP_SAMPLES, abs=2)
    assert near[0].score > near[1].score + 1
    assert [each.score for each in near] == sorted((n.score for n in near), reverse=True)
    places = [Place(4, first / HOP_SAMPLES, UNCHANGED), Place(2, 100.0, UNCHANGED)]
    again, other = known.likeness(spectrum_of(clip), places, projections(6))
    assert again == pytest.approx(near[0].score, abs=1)
    assert other < again - 1


def test_a_clip_may_begin_before_its_recording_and_end_after_it() -> None:
    music = play(5, 12)
    known = Sketches([codes_of(play(1, 12)), codes_of(music), codes_of(play(2, 12))])
    silence = np.zeros(DEFAULT.sr, np.float32)
    early = np.concatenate([silence, music[: 2 * DEFAULT.sr]])
    late = np.concatenate([music[-2 * DEFAULT.sr :], silence])
    for clip, start_s in ((early, -1.0), (late, 10.0)):
        near = known.nearest(clip_sketch(contrast_of(clip), projections(6)), 1)
        assert near[0].number == 1
        assert near[0].offset == pytest.approx(start_s * DEFAULT.sr / HOP_SAMPLES, abs=2)


def test_nothing_is_like_a_clip_in_an_empty_library_or_too_short() -> None:
    clip = clip_sketch(contrast_of(play(0, 2)), projections(6))
    assert Sketches([]).nearest(clip, 3) == []
    assert Sketches([np.empty((0, 6), np.uint64)]).nearest(clip, 3) == []
    none = ClipSpectrum.empty()
    known = Sketches([codes_of(play(1, 5))])
    assert known.nearest(clip_sketch(none.contrast, projections(6)), 3) == []
    assert known.likeness(none, [Place(0, 1.0, UNCHANGED)], projections(6)).tolist() == [0.0]
    assert len(known.likeness(spectrum_of(play(1, 2)), [], projections(6))) == 0


@pytest.mark.parametrize(
    "warp",
    [
        *(Warp(0.8, 0.8), Warp(1.2, 1.2), Warp(0.85, 1.0), Warp(1.3, 1.0), Warp(1.0, 1.12)),
        *(Warp(0.5, 0.5), Warp(2.0, 2.0), Warp(1.7, 0.6), Warp(1.0, 0.5)),
    ],
)
def test_a_changed_clip_is_like_its_place_under_its_change_alone(warp: Warp) -> None:
    music = [play(seed, 20) for seed in range(3)]
    known = Sketches([codes_of(samples) for samples in music])
    start_s = 6.4
    passage = music[1][round(start_s * DEFAULT.sr) : round((start_s + 7) * DEFAULT.sr)]
    clip = spectrum_of(noisy(stretched(passage, warp)[: 4 * DEFAULT.sr], 3, 0.3))
    offset = start_s / DEFAULT.hop_s
    wrong = [
        Place(1, offset, UNCHANGED),
        Place(1, offset, Warp(warp.pitch, warp.tempo * 1.1)),
        Place(1, offset + 50, warp),
        Place(2, offset, warp),
        Place(0, offset, warp),
    ]
    right, *others = known.likeness(clip, [Place(1, offset, warp), *wrong], projections(6))
    assert right > max(others) + 4


@pytest.mark.parametrize("warp", [Warp(0.6, 1.3), Warp(1.6, 0.7), Warp(1.25, 1.25), UNCHANGED])
def test_windows_under_a_grid_of_warps_are_those_of_each_warp_alone(warp: Warp) -> None:
    clip, middle = spectrum_of(play(4, 6)), 90.0
    grid = WarpGrid((0.5, warp.tempo), (0.5, warp.pitch, 1.9))
    found = 0
    for windows in warped_windows(clip, middle, grid, projections(6)):
        of_warp = np.array([each == warp for each in windows.warps])[windows.warp]
        assert np.unique(windows.warp).tolist() == [0, 1, 2]
        for value, at in zip(windows.values[of_warp], windows.middles[of_warp], strict=True):
            # laid so that the middle of a window of the recording lies on that of this window
            offset = 10 * HOP + WINDOW / 2 - at * warp.tempo
            laid = lay_on_windows(clip, [offset], [warp], projections(6))
            (alone,) = laid.values[laid.window == 10]
            np.testing.assert_allclose(value, alone, atol=1e-4)
            found += 1
    assert found > 20


def test_a_clip_at_a_higher_pitch_has_fewer_bands_of_its_recording() -> None:
    clip = spectrum_of(play(4, 6))
    np.testing.assert_array_equal(contrast_at(clip.log_mag, 1.0), clip.contrast)
    bands = [contrast_at(clip.log_mag, pitch).shape[1] for pitch in (0.5, 1.0, 1.5, 2.0)]
    assert bands[:2] == [BANDS, BANDS]
    assert BANDS / 2 < bands[3] < bands[2] < BANDS


def test_patterns_at_a_pitch_are_kept_to_a_hundredth_of_it() -> None:
    clip = spectrum_of(play(4, 3))
    assert clip.at_pitch(2.0) is clip.at_pitch(2.01)
    assert not np.array_equal(clip.at_pitch(2.0).values, clip.at_pitch(2.04).values)
    np.testing.assert_array_equal(clip.at_pitch(1.004).values, clip.at_pitch(1.0).values)


def test_a_spectrum_that_comes_in_parts_is_the_whole_one() -> None:
    whole = spectrum_of(play(4, 3))
    parts = ClipSpectrum.empty()
    for start in range(0, len(whole), 20):
        parts = parts.followed_by(whole.between(start, start + 20))
    assert len(parts) == len(whole)
    np.testing.assert_array_equal(parts.contrast, whole.contrast)
    np.testing.assert_array_equal(parts.log_mag, whole.log_mag)
    empty = ClipSpectrum.empty().between(0, 5)
    assert len(empty) == len(empty.at_pitch(1.0).values) == 0


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_clip_that_is_too_short_or_silent_has_no_windows_under_warps(seconds: float) -> None:
    samples = play(4, 1)[: round(seconds * DEFAULT.sr)]
    for clip in (spectrum_of(samples), spectrum_of(np.zeros(3 * DEFAULT.sr, np.float32))):
        made = warped_windows(clip, 0.0, WarpGrid((0.5, 2.0), (0.5, 2.0)), projections(6))
        assert all(len(windows.values) == 0 for windows in made)


def test_windows_outside_a_recording_add_no_evidence() -> None:
    music = [play(seed, 8) for seed in range(3)]
    known = Sketches([codes_of(samples) for samples in music])
    clip = spectrum_of(music[1])
    places = [Place(number, offset, UNCHANGED) for number in range(3) for offset in (-900.0, 900.0)]
    assert known.likeness(clip, places, projections(6)).tolist() == [0.0] * 6
    early = spectrum_of(np.concatenate([np.zeros(DEFAULT.sr, np.float32), music[1]]))
    before, inside = known.likeness(
        early,
        [Place(1, -DEFAULT.sr / HOP_SAMPLES, UNCHANGED), Place(1, 0.0, UNCHANGED)],
        projections(6),
    )
    assert before > inside + 4


def test_a_sound_that_repeats_says_its_one_thing_once() -> None:
    second = play(5, 1)
    recordings = [np.tile(second, 20), play(3, 20)]
    known = Sketches([codes_of(samples) for samples in recordings])
    for number, grows in ((0, False), (1, True)):
        clips = [recordings[number][: seconds * DEFAULT.sr] for seconds in (3, 12)]
        short, long = (
            known.likeness(spectrum_of(noisy(clip, 1, 1.0)), [Place(number, 0.0)], projections(6))
            for clip in clips
        )
        assert (long[0] > 1.75 * short[0]) == grows
