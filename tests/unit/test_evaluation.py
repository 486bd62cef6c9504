"""Degradations do to clips what they say, and matches are judged and counted rightly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, stats
from typer.testing import CliRunner, Result

from fingerprinter.audio import read_samples, write_wav
from fingerprinter.cli.commands import evaluate
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.errors import UsageError
from fingerprinter.evaluation import (
    CONDITIONS,
    QUICK,
    SOUND_CONDITIONS,
    IdentifyPlan,
    IdentifyReport,
    Progress,
    Sounds,
    evaluate_identify,
    folder_sound,
    read_groups,
    select,
)
from fingerprinter.evaluation.clips import Clip, Passage, Recording, draw_clip
from fingerprinter.evaluation.conditions import Condition
from fingerprinter.evaluation.degrade import (
    add_noise,
    babble,
    channel,
    gsm,
    is_audible,
    mixed,
    mp3,
    reverberated,
    rms,
    stretched,
    telephone,
    with_gain,
)
from fingerprinter.evaluation.degrade.noise import (
    coloured_noise,
    synthetic_ambience,
    synthetic_voice,
)
from fingerprinter.evaluation.degrade.room import room_response
from fingerprinter.evaluation.excerpt import SR, Samples, read_excerpt
from fingerprinter.evaluation.judge import Judge, JudgedMatch, likeness
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.provenance import Machine, Provenance
from fingerprinter.evaluation.report import Trial
from fingerprinter.library import Library, open_library
from fingerprinter.types import Match, Track
from tests.synthetic import play

MUSIC = Path(__file__).resolve().parents[1] / "music"
SEEDS = st.integers(0, 2**32 - 1)
SOUNDS = Sounds()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def music() -> Samples:
    """Five seconds of an orchestra."""
    return read_excerpt(MUSIC / "jordan_trudgett-theme1.opus", 10.0, 5 * SR)


def condition(name: str) -> Condition:
    (found,) = [each for each in CONDITIONS if each.name == name]
    return found


def band_power(samples: Samples, low_hz: float, high_hz: float) -> float:
    frequencies, power = signal.welch(samples, SR, nperseg=4096)
    return float(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum())


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


# --- levels


@given(SEEDS)
def test_gain_puts_the_peak_half_to_fifteen_decibels_below_full_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = with_gain(rng.standard_normal(100).astype(np.float32), rng)
    assert -15.01 <= 2 * decibels(np.abs(samples).max()) <= -0.49


def test_gain_leaves_silence_silent(rng: np.random.Generator) -> None:
    assert not with_gain(np.zeros(100, np.float32), rng).any()


@given(SEEDS, st.floats(-20, 20))
def test_noise_is_added_at_its_ratio(seed: int, snr_db: float) -> None:
    rng = np.random.default_rng(seed)
    samples, noise = rng.standard_normal((2, 1000)).astype(np.float32) * [[0.1], [3.0]]
    added = add_noise(samples, noise, snr_db) - samples
    assert 2 * decibels(rms(samples) / rms(added)) == pytest.approx(snr_db, abs=0.01)


def test_mixed_parts_are_equally_loud(rng: np.random.Generator) -> None:
    a, b = np.zeros((2, 1000), np.float32)
    a[:500], b[500:] = 0.01 * rng.standard_normal(500), rng.standard_normal(500)
    both = mixed([a, b])
    assert rms(both[:500]) == pytest.approx(rms(both[500:]), rel=1e-5)


def test_silence_is_not_audible(rng: np.random.Generator) -> None:
    sound = 0.1 * rng.standard_normal(1000).astype(np.float32)
    assert is_audible(sound)
    assert not is_audible(np.zeros(1000, np.float32))
    assert not is_audible(0.01 * sound)  # -60 dB
    assert not is_audible(np.concatenate([sound[:400], np.zeros(600, np.float32)]))


# --- noise


@pytest.mark.parametrize(("exponent", "octave_db"), [(0, 3.0), (1, 0.0), (2, -3.0)])
def test_coloured_noise_falls_as_it_should(
    exponent: int, octave_db: float, rng: np.random.Generator
) -> None:
    noise = coloured_noise(10 * SR, exponent, rng)
    steps = [
        decibels(band_power(noise, 2 * f, 4 * f) / band_power(noise, f, 2 * f))
        for f in (200, 400, 800, 1600)
    ]
    assert steps == pytest.approx([octave_db] * 4, abs=0.6)


@given(SEEDS, st.integers(1000, 20_000))
@settings(max_examples=20)
def test_synthetic_sounds_are_as_long_as_asked_for_and_audible(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    for sound in (synthetic_ambience, synthetic_voice):
        samples = sound(n, rng)
        assert samples.shape == (n,)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert rms(samples) > 1e-4


def test_voice_has_syllables_and_the_spectrum_of_speech(rng: np.random.Generator) -> None:
    voice = synthetic_voice(20 * SR, rng)
    assert band_power(voice, 90, 1000) > 4 * band_power(voice, 1000, 4000)
    assert band_power(voice, 1000, 4000) > 4 * band_power(voice, 4000, 8000)
    loudness = np.array([rms(part) for part in voice.reshape(-1, SR // 50)])
    frequencies, power = signal.welch(loudness - loudness.mean(), 50, nperseg=256)
    assert 2 < np.average(frequencies, weights=power) < 9  # syllables a second


def test_babble_is_steadier_than_a_voice(rng: np.random.Generator) -> None:
    def unsteadiness(samples: Samples) -> float:
        parts = [rms(part) for part in samples.reshape(-1, SR // 10)]
        return float(np.std(parts) / np.mean(parts))

    voice = synthetic_voice(10 * SR, rng)
    assert unsteadiness(babble(10 * SR, synthetic_voice, rng)) < 0.7 * unsteadiness(voice)


def test_folder_sound_is_a_stretch_of_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = 0.3 * synthetic_ambience(3 * SR, rng)
    write_wav(tmp_path / "rain.wav", sound / np.abs(sound).max(), SR)
    (tmp_path / "broken.ogg").write_bytes(b"OggS, or not")
    draw = folder_sound([tmp_path])
    stretches = [draw(SR, rng) for _ in range(3)]
    assert all(likeness(stretch, sound) > 0.999 for stretch in stretches)
    assert likeness(stretches[0], stretches[1]) < 0.9


def test_short_file_is_repeated(tmp_path: Path, rng: np.random.Generator) -> None:
    write_wav(tmp_path / "drip.wav", 0.1 * rng.standard_normal(SR // 2), SR)
    samples = folder_sound([tmp_path])(2 * SR, rng)
    assert samples.shape == (2 * SR,)
    np.testing.assert_array_equal(samples[: SR // 2], samples[SR // 2 : SR])


def test_folder_without_sound_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match="no audio file in it"):
        folder_sound([tmp_path])
    write_wav(tmp_path / "silence.wav", np.zeros(SR), SR)
    with pytest.raises(UsageError, match="none with sound"):
        folder_sound([tmp_path])(SR, rng)


# --- rooms


def decay_s(response: Samples, low_hz: float, high_hz: float) -> float:
    """Time of 60 dB from the slope of -5 to -25 dB of Schroeder's (1965) backward integral."""
    band = signal.sosfiltfilt(
        signal.butter(4, (low_hz, high_hz), "band", fs=SR, output="sos"), response
    )
    energy = np.cumsum(band[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    first, last = np.argmax(level < -5), np.argmax(level < -25)
    return 60 / 20 * float(last - first) / SR


@pytest.mark.parametrize("rt60_s", [0.3, 0.6, 0.9])
def test_room_decays_in_its_time_and_the_high_frequencies_faster(
    rt60_s: float, rng: np.random.Generator
) -> None:
    responses = [room_response(rt60_s, -6.0, rng) for _ in range(8)]
    middle = np.mean([decay_s(response, 600, 1800) for response in responses])
    high = np.mean([decay_s(response, 4200, 7800) for response in responses])
    assert middle == pytest.approx(rt60_s, rel=0.2)
    assert high < 0.8 * middle


@given(SEEDS, st.floats(0.3, 0.9), st.floats(-6, 3))
@settings(max_examples=20)
def test_direct_sound_comes_first_and_stands_at_its_ratio(
    seed: int, rt60_s: float, ratio_db: float
) -> None:
    response = room_response(rt60_s, ratio_db, np.random.default_rng(seed))
    energy = response**2
    assert decibels(energy[0] / energy[1:].sum()) == pytest.approx(ratio_db, abs=0.01)
    assert energy.sum() == pytest.approx(1)


def test_early_reflections_are_single(rng: np.random.Generator) -> None:
    early = np.abs(room_response(0.5, 0.0, rng)[1 : int(0.005 * SR)])
    assert np.count_nonzero(early) < len(early) / 3


def test_reverberated_is_the_convolution(music: Samples) -> None:
    seed = np.random.default_rng(9)
    response = room_response(seed.uniform(0.3, 0.9), seed.uniform(-6.0, 3.0), seed)
    expected = signal.fftconvolve(music, response)[: len(music)]
    np.testing.assert_allclose(reverberated(music, np.random.default_rng(9)), expected, atol=1e-5)


# --- channels


def test_telephone_passes_its_band_only(music: Samples, rng: np.random.Generator) -> None:
    line = telephone(rng.standard_normal(5 * SR).astype(np.float32), rng)
    inside = band_power(line, 400, 3000) / 2600
    assert decibels(band_power(line, 20, 150) / 130 / inside) < -15
    assert decibels(band_power(line, 5000, 7900) / 2900 / inside) < -15
    crest = np.abs(music).max() / rms(music)
    line = telephone(music, rng)
    assert np.abs(line).max() / rms(line) < crest  # clipped


@pytest.mark.parametrize(("codec", "least"), [(gsm, 0.5), (mp3, 0.97)])
def test_codec_keeps_time_and_sound(codec: object, least: float, music: Samples) -> None:
    assert callable(codec)
    coded = codec(music)
    assert len(coded) == len(music)
    assert coded.dtype == np.float32
    narrow = signal.sosfiltfilt(signal.butter(6, 3400, fs=SR, output="sos"), music)
    lags = signal.correlate(coded, narrow, "full", "fft")
    lag = int(lags.argmax()) - (len(narrow) - 1)
    assert abs(lag) < 0.01 * SR
    assert likeness(narrow[SR:-SR].astype(np.float32), coded) > least
    assert likeness(music[SR:-SR], coded) < 0.99999  # something was lost


def test_missing_encoder_is_named(music: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel.av, "codecs_available", frozenset())
    with pytest.raises(UsageError, match="libopencore_amrnb: FFmpeg has no such encoder"):
        gsm(music)


# --- tempo and pitch


@pytest.mark.parametrize(
    "warp",
    [
        UNCHANGED,
        Warp(0.8, 0.8),
        Warp(1.25, 1.25),
        Warp(0.75, 1.0),
        Warp(1.33, 1.0),
        Warp(1.0, 0.794),
        Warp(1.0, 1.26),
        Warp(1.1, 0.9),
    ],
    ids=str,
)
def test_stretched_tone_has_the_length_and_the_pitch(warp: Warp) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(4 * SR) / SR).astype(np.float32)
    played = stretched(tone, warp)
    assert len(played) == pytest.approx(len(tone) / warp.tempo, rel=0.01)
    middle = played[SR // 2 : SR // 2 + 2 * SR]
    heard_hz = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * SR / len(middle)
    assert heard_hz == pytest.approx(500 * warp.pitch, abs=1.0)


@pytest.mark.parametrize("warp", [Warp(1.2, 1.2), Warp(0.8, 1.0), Warp(1.3, 1.0), Warp(1.0, 1.2)])
def test_stretched_keeps_its_start_and_its_pace(warp: Warp) -> None:
    """Bursts of noise every half second arrive within the 64 ms window of the overlap-add."""
    samples = np.zeros(5 * SR, np.float32)
    starts = np.arange(SR // 2, len(samples) - SR, SR // 2)
    for start in starts:
        samples[start : start + 800] = np.random.default_rng(1).standard_normal(800)
    played = stretched(samples, warp)
    for start in starts / warp.tempo:
        near = played[int(start - 0.1 * SR) : int(start + 0.15 * SR)] ** 2
        centre = np.average(np.arange(len(near)), weights=near) - 0.1 * SR
        assert centre / SR == pytest.approx(0.025 / warp.tempo, abs=0.04)


# --- conditions


def test_names_are_distinct_and_tell_the_length() -> None:
    assert len({each.name for each in CONDITIONS}) == len(CONDITIONS) == 111
    assert all(each.name.endswith(f"-{each.clip_s:g}s") for each in CONDITIONS)
    assert all(each.name.startswith("outside") == each.outside for each in CONDITIONS)


def test_quick_conditions_cover_every_family() -> None:
    def families(conditions: tuple[Condition, ...]) -> set[str]:
        return {each.name.replace("+", "-").split("-")[0] for each in conditions}

    assert len(QUICK) == 16
    assert families(QUICK) == families(CONDITIONS)


def test_select_takes_names_and_beginnings() -> None:
    names = [each.name for each in select(["room", "clean-2s", "pitch-4+5dB"])]
    rooms = ["room+5dB-2s", "room+5dB-5s", "room+5dB-10s"]
    assert names == ["clean-2s", *rooms, "pitch-4+5dB-5s", "pitch-4+5dB-10s"]


def test_select_refuses_unknown_names() -> None:
    with pytest.raises(UsageError, match="studio: no such condition; they begin with ambience"):
        select(["clean", "studio"])


@given(SEEDS)
def test_changes_stay_within_their_ranges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    semitone = 2 ** (1 / 12)
    warps = {each.name: each.draw_warp(rng) for each in CONDITIONS}
    for name, warp in warps.items():
        kind, factor = name.split("-")[:2]
        if kind == "speed":
            assert warp.tempo == warp.pitch == pytest.approx(float(factor[:4]), rel=0.011)
            assert 0.80 <= warp.tempo <= 1.25
        elif kind == "tempo":
            assert (0.75 <= warp.tempo <= 1.33, warp.pitch) == (True, 1.0)
        elif kind.startswith("pitch"):
            assert semitone**-4 <= warp.pitch <= semitone**4 and warp.tempo == 1.0
        else:
            assert warp == UNCHANGED


# --- clips


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """Three synthetic pieces of 8 s."""
    folder = tmp_path_factory.mktemp("pieces")
    for seed in range(3):
        write_wav(folder / f"{seed}.wav", play(seed, 8.0), SR)
    return [Recording(str(folder / f"{seed}.wav"), seed + 1, 8.0) for seed in range(3)]


@pytest.mark.parametrize("name", [each.name for each in CONDITIONS if each.clip_s <= 5][::4])
def test_clip_is_as_long_as_its_name_says(name: str, pieces: list[Recording]) -> None:
    clip = draw_clip(condition(name), 0, pieces, SOUNDS, 1)
    assert clip is not None
    assert len(clip.samples) == condition(name).clip_s * SR
    assert 0.17 < np.abs(clip.samples).max() < 0.95


def test_same_seed_and_number_give_the_same_clip_and_no_others(pieces: list[Recording]) -> None:
    def drawn(name: str, number: int, seed: int) -> Samples:
        clip = draw_clip(condition(name), number, pieces, SOUNDS, seed)
        assert clip is not None
        return clip.samples

    clip = drawn("ambience+0dB-2s", 4, 1)
    drawn("clean-2s", 4, 1)
    np.testing.assert_array_equal(drawn("ambience+0dB-2s", 4, 1), clip)
    assert likeness(drawn("ambience+0dB-2s", 5, 1), clip) < 0.9
    assert likeness(drawn("ambience+0dB-2s", 4, 2), clip) < 0.9


def test_clean_clip_is_the_passage_it_claims_to_be(pieces: list[Recording]) -> None:
    clip = draw_clip(condition("clean-3s"), 0, pieces, SOUNDS, 1)
    assert clip is not None
    (passage,) = clip.passages
    there = read_samples(passage.recording.path)[round(passage.start_s * SR) :][: 3 * SR]
    assert likeness(clip.samples, there) == pytest.approx(1, abs=1e-3)


def test_unknown_length_is_read_from_the_file(pieces: list[Recording]) -> None:
    unknown = [replace(piece, duration_s=None) for piece in pieces]
    starts = [
        clip.passages[0].start_s
        for number in range(20)
        if (clip := draw_clip(condition("clean-5s"), number, unknown, SOUNDS, 1))
    ]
    assert len(starts) == 20
    assert max(starts) > 2.0


def test_mix_holds_two_recordings(pieces: list[Recording]) -> None:
    short = replace(condition("mix-15s"), clip_s=5.0)
    for number in range(8):
        clip = draw_clip(short, number, pieces, SOUNDS, 1)
        assert clip is not None
        a, b = clip.passages
        assert a.recording != b.recording


@pytest.mark.slow
def test_nothing_is_drawn_from_silence_or_short_files(
    tmp_path: Path, pieces: list[Recording]
) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(4 * SR), SR)
    silence = [Recording(str(tmp_path / "silence.wav"), 1, 4.0)]
    assert draw_clip(condition("clean-2s"), 0, silence, SOUNDS, 1) is None
    assert draw_clip(condition("clean-10s"), 0, pieces, SOUNDS, 1) is None
    gone = [Recording(str(tmp_path / "gone.wav"), 1, 4.0)]
    assert draw_clip(condition("clean-2s"), 0, gone, SOUNDS, 1) is None


# --- metrics


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_scipys_wilson_interval(counts: tuple[int, int]) -> None:
    expected = stats.binomtest(*counts).proportion_ci(0.95, "wilson")
    assert Rate(*counts).interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_rate_of_nothing_claims_nothing() -> None:
    assert (Rate.of([]).share, Rate.of([]).interval) == (None, (0.0, 1.0))
    assert Rate.of([True, False, True]).share == pytest.approx(2 / 3)


# --- judging


def track(id_: int, path: str | None) -> Track:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    return Track(id_, path, None, None, None, None, None, None, 30.0, f"{id_:032x}", None, now)


def match(id_: int, offset_s: float, path: str | None = None, **values: float) -> Match:
    return Match(track(id_, path), 50.0, 0.99, offset_s, 0.0, 2.0, **values)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A piece of 3 s played twice, then another."""
    path = tmp_path_factory.mktemp("loop") / "loop.wav"
    write_wav(path, np.concatenate([play(5, 3.0), play(5, 3.0), play(6, 3.0)]), SR)
    return path


@pytest.fixture(scope="module")
def clip(loop: Path) -> Clip:
    """Two seconds from 0.5 s on."""
    samples = read_excerpt(loop, 0.5, 2 * SR)
    passage = Passage(Recording(str(loop), 7), 0.5, samples)
    return Clip(condition("clean-2s"), 0, (passage,), UNCHANGED, samples)


@given(st.integers(8, 200), st.integers(1, 8), SEEDS)
def test_likeness_is_that_of_its_plain_twin(m: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples, stretch = (rng.standard_normal(size).astype(np.float32) for size in (n, m))
    windows = np.lib.stride_tricks.sliding_window_view(stretch, n)
    norms = np.linalg.norm(windows, axis=1) * np.linalg.norm(samples)
    assert likeness(samples, stretch) == pytest.approx(np.max(windows @ samples / norms), abs=1e-4)


def test_right_place_is_within_fifty_milliseconds(clip: Clip) -> None:
    judge = Judge()
    near, far = judge.judge(clip, match(7, 0.54)), judge.judge(clip, match(7, 0.56))
    assert (near.passage, near.placed, near.repeated) == (0, True, False)
    assert (far.passage, far.placed, far.repeated) == (0, False, False)


def test_repeat_of_the_same_waveform_is_told_apart(clip: Clip, loop: Path) -> None:
    judge = Judge()
    repeat = judge.judge(clip, match(7, 3.5, str(loop)))
    other = judge.judge(clip, match(7, 6.5, str(loop)))
    assert (repeat.passage, repeat.placed, repeat.repeated) == (0, False, True)
    assert (other.passage, other.placed, other.repeated) == (0, False, False)


def test_another_file_with_the_same_sound_is_right(clip: Clip, loop: Path) -> None:
    judge = Judge()
    assert judge.judge(clip, match(8, 0.5, str(loop))).passage == 0
    assert judge.judge(clip, match(8, 6.5, str(loop))).passage is None
    assert judge.judge(clip, match(8, 0.5)).passage is None  # a track without a file
    assert judge.judge(clip, match(8, 0.5, "gone.wav")).passage is None


def test_group_says_which_tracks_are_the_same(clip: Clip) -> None:
    judge = Judge([frozenset({7, 9})])
    assert judge.judge(clip, match(9, 0.5)).passage == 0
    assert judge.judge(clip, match(8, 0.5)).passage is None


@pytest.mark.parametrize(
    ("tempo", "pitch", "in_tune"),
    [(1.0, 1.0, True), (1.004, 0.996, True), (1.006, 1.0, False), (1.0, 1.006, False)],
)
def test_tempo_and_pitch_count_within_half_a_percent(
    clip: Clip, tempo: float, pitch: float, in_tune: bool
) -> None:
    answer = Judge().judge(clip, match(7, 0.5, tempo=tempo, pitch=pitch))
    assert answer.in_tune is in_tune


def test_outside_music_that_the_library_does_hold_is_no_false_answer(
    clip: Clip, loop: Path
) -> None:
    passages = tuple(replace(p, recording=Recording(str(loop), None)) for p in clip.passages)
    outside = replace(clip, passages=passages)
    assert Judge().judge(outside, match(8, 0.5, str(loop))).passage == 0
    assert Judge().judge(outside, match(8, 6.5, str(loop))).passage is None


# --- the report

RIGHT = JudgedMatch(7, 0.9995, 0.5, 0, placed=True, in_tune=True)
ASTRAY = replace(RIGHT, confidence=0.97, offset_s=9.0, placed=False, in_tune=False)
REPEAT = replace(RIGHT, placed=False, repeated=True)
WRONG = JudgedMatch(8, 0.96, 0.0, None)
PROVENANCE = Provenance("p", "c", 3, "0.1.0", None, Machine("cpu", 2), "s")


def report(*answers_of: tuple[str, tuple[JudgedMatch, ...]]) -> IdentifyReport:
    trials = tuple(
        Trial(
            condition(name),
            number,
            (("a.ogg", 0.5),) * condition(name).recordings,
            answers,
            0.01 * (number + 1),
        )
        for number, (name, answers) in enumerate(answers_of)
    )
    return IdentifyReport(1, 4, 0.9, PROVENANCE, False, trials)


def test_row_counts_hits_places_repeats_and_false_answers() -> None:
    clean = [(RIGHT,), (ASTRAY,), (REPEAT,), (WRONG,), ()]
    (row,) = report(*(("clean-2s", answers) for answers in clean)).conditions
    assert (row.hits, row.placed, row.repeats) == (Rate(3, 5), Rate(1, 5), Rate(1, 5))
    assert (row.in_tune, row.false_answers) == (Rate(2, 5), Rate(1, 5))
    assert (row.clips, row.median_s, row.p95_s) == (5, 0.03, pytest.approx(0.048))


def test_mix_is_a_hit_when_both_are_named() -> None:
    other = replace(RIGHT, track_id=9, passage=1)
    mixes = [
        (RIGHT, other),
        (RIGHT,),
        (RIGHT, RIGHT),
        (RIGHT, other, WRONG),
        (RIGHT, replace(REPEAT, passage=1)),
    ]
    (row,) = report(*(("mix-15s", answers) for answers in mixes)).conditions
    assert (row.hits, row.placed, row.repeats) == (Rate(3, 5), Rate(2, 5), Rate(1, 5))
    assert row.false_answers == Rate(1, 5)


def test_outside_music_counts_answers_and_no_hits() -> None:
    found = report(
        ("outside-clean-2s", (WRONG,)),
        ("outside-clean-2s", ()),
        ("outside+5dB-2s", (replace(RIGHT, placed=False),)),
        ("clean-2s", (RIGHT,)),
    )
    assert found.outside_answered == Rate(1, 3)
    assert found.mean_recall == 1.0
    assert [row.hits.count for row in found.conditions] == [0, 0, 1]
    assert "hits" not in found.to_json()["conditions"][0]


def test_mean_recall_weighs_conditions_alike() -> None:
    found = report(
        ("clean-1s", (RIGHT,)),
        ("clean-2s", (RIGHT,)),
        ("clean-2s", ()),
        ("clean-2s", ()),
        ("clean-2s", ()),
    )
    assert found.mean_recall == pytest.approx((1 + 0.25) / 2)
    assert report().mean_recall is None


def test_reliability_bins_answers_by_their_confidence() -> None:
    certain = replace(RIGHT, confidence=1.0)
    found = report(
        ("clean-2s", (RIGHT,)),
        ("clean-2s", (certain,)),
        ("clean-2s", (ASTRAY,)),
        ("outside-clean-2s", (WRONG,)),
    )
    low, high = found.reliability
    assert (low.low, low.high, low.right) == (0.95, 0.99, Rate(1, 2))
    assert low.mean_confidence == pytest.approx(0.965)
    assert (high.low, high.high, high.right) == (0.999, 1.0, Rate(2, 2))


# --- the run


INSIDE = ["jordan_trudgett-theme1.opus", "kenta_cho-stg1.opus", "manuel_marino-geoscape.ogg"]
OUTSIDE = [MUSIC / "kenta_cho-stg3.ogg", MUSIC / "obsidian_shell-ezer_ev.opus"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    path = tmp_path_factory.mktemp("library") / "library.db"
    with open_library(path) as library:
        library.index([MUSIC / name for name in INSIDE], jobs=1, embeddings=False)
        yield library


@pytest.fixture(scope="module")
def plan() -> IdentifyPlan:
    return IdentifyPlan(
        select(["clean-5s", "mp3", "outside-clean-5s"]), clips=2, seed=1, outside=OUTSIDE
    )


@pytest.fixture(scope="module")
def evaluation(library: Library, plan: IdentifyPlan) -> IdentifyReport:
    return evaluate_identify(library, plan)


@pytest.mark.slow
def test_run_finds_what_is_there_and_times_it(evaluation: IdentifyReport) -> None:
    assert [row.condition.name for row in evaluation.conditions] == [
        "clean-5s",
        "mp3-32k-5s",
        "outside-clean-5s",
    ]
    for row in evaluation.conditions[:2]:
        assert (row.hits, row.false_answers) == (Rate(2, 2), Rate(0, 2))
        assert row.placed.count + row.repeats.count == 2
    assert all(0 < row.median_s <= row.p95_s < 60 for row in evaluation.conditions)
    assert evaluation.outside_answered == Rate(0, 2)
    assert not evaluation.interrupted


@pytest.mark.slow
def test_run_is_repeatable(
    library: Library, plan: IdentifyPlan, evaluation: IdentifyReport
) -> None:
    again = evaluate_identify(library, replace(plan, conditions=select(["mp3"])))
    drawn = [trial.drawn for trial in evaluation.trials if trial.condition.name == "mp3-32k-5s"]
    assert [trial.drawn for trial in again.trials] == drawn


@pytest.mark.slow
def test_json_says_where_the_figures_come_from(
    evaluation: IdentifyReport, library: Library
) -> None:
    found = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    assert found["seed"] == 1
    assert found["params_id"] == library.stats().params_id
    assert found["policy_id"] == DEFAULT_POLICY.id
    assert len(found["corpus"]) == 16
    assert found["tracks"] == 3
    assert found["machine"]["cores"] >= 1
    assert found["conditions"][0]["hits"] == {
        "count": 2,
        "total": 2,
        "share": 1.0,
        "interval": [0.3424, 1.0],
    }


def test_interrupted_run_keeps_what_it_has(library: Library, plan: IdentifyPlan) -> None:
    def interrupt(progress: Progress) -> None:
        assert progress.total == 6
        if progress.done == 4:
            raise KeyboardInterrupt

    found = evaluate_identify(library, plan, interrupt)
    assert found.interrupted
    assert len(found.trials) == 4
    assert [row.clips for row in found.conditions] == [2, 1, 1]  # drawn in turns


def test_a_channel_changes_what_is_identified(library: Library, plan: IdentifyPlan) -> None:
    clean = replace(plan, conditions=select(["clean-5s"]), channel=np.zeros_like)
    found = evaluate_identify(library, clean)
    assert found.conditions[0].hits == Rate(0, 2)
    assert found.to_json()["played"] is True


def test_clips_come_from_the_named_sources(library: Library, plan: IdentifyPlan) -> None:
    only = MUSIC / INSIDE[1]
    found = evaluate_identify(library, replace(plan, sources=[only], outside=()))
    assert {path for trial in found.trials for path, _ in trial.drawn} == {str(only)}
    assert {trial.condition.outside for trial in found.trials} == {False}


def test_run_without_music_is_refused(library: Library, plan: IdentifyPlan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file of a track is there"):
        evaluate_identify(library, replace(plan, sources=[tmp_path]))
    with pytest.raises(UsageError, match="no audio file in it"):
        evaluate_identify(library, replace(plan, outside=[tmp_path]))


def test_groups_are_read_and_count(library: Library, plan: IdentifyPlan, tmp_path: Path) -> None:
    file = tmp_path / "groups.tsv"
    outside = str(OUTSIDE[0])
    file.write_text(f"{MUSIC / INSIDE[0]}\t{MUSIC / INSIDE[1]}\t{outside}\n\n", encoding="utf-8")
    groups = read_groups(file)
    assert groups == [[str(MUSIC / INSIDE[0]), str(MUSIC / INSIDE[1]), outside]]
    found = evaluate_identify(library, replace(plan, clips=1, groups=groups, outside=()))
    assert all(trial.is_hit for trial in found.trials)
    with pytest.raises(UsageError, match="No such file"):
        read_groups(tmp_path / "none.tsv")


# --- the command


@pytest.fixture(scope="module")
def address(library: Library) -> str:
    return library.stats().address


def run_command(address: str, *arguments: str) -> Result:
    app = typer.Typer()
    app.add_typer(evaluate.app, name="evaluate")
    return CliRunner().invoke(app, ["evaluate", "identify", *arguments], obj=address)


def test_command_prints_a_table(address: str) -> None:
    outside = [f"--outside={path}" for path in OUTSIDE]
    result = run_command(address, "clean-5s", "outside-clean-5s", "--clips=1", *outside)
    assert result.exit_code == 0, result.output
    heading, clean, unknown, *_ = result.output.splitlines()
    assert heading.split()[:3] == ["condition", "clips", "named"]
    assert clean.split()[:4] == ["clean-5s", "1", "100.0", "%"]
    assert unknown.split()[:2] == ["outside-clean-5s", "1"]
    assert "mean of the conditions: 100.0 % named" in result.output
    assert "outside music answered: 0 of 1 clips" in result.output


def test_command_prints_json_on_one_line(address: str) -> None:
    result = run_command(address, "clean-5s", "--clips=1", "--seed=4", "--json")
    found = json.loads(result.stdout)
    assert (found["seed"], found["conditions"][0]["condition"]) == (4, "clean-5s")


def test_command_takes_files_of_noise_and_groups(
    address: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    sound = synthetic_ambience(4 * SR, rng)
    write_wav(tmp_path / "rain.wav", 0.3 * sound / np.abs(sound).max(), SR)
    groups = tmp_path / "groups.tsv"
    groups.write_text("a.ogg\tb.ogg\n", encoding="utf-8")
    options = [f"--ambience={tmp_path}", f"--speech={tmp_path}", f"--groups={groups}"]
    result = run_command(
        address, "babble", "ambience+0dB-5s", "--clips=1", "--quick", *options, "--json"
    )
    assert result.exit_code == 0, result.output
    assert [row["clips"] for row in json.loads(result.stdout)["conditions"]] == [1, 1]


def test_command_refuses_unknown_conditions(address: str) -> None:
    result = run_command(address, "studio")
    assert isinstance(result.exception, UsageError)


@pytest.mark.parametrize(
    "condition",
    [each for each in SOUND_CONDITIONS if "speech" not in each.name],
    ids=lambda condition: condition.name,
)
def test_sounds_are_rendered_from_a_seed_without_any_music(condition: Condition) -> None:
    clip, again = (draw_clip(condition, 1, [], Sounds(), 5) for _ in range(2))
    assert clip is not None and again is not None
    assert SR <= len(clip.samples) <= 30 * SR
    assert (clip.passages, condition.outside) == ((), True)
    assert np.isfinite(clip.samples).all() and np.abs(clip.samples).max() <= 1
    np.testing.assert_array_equal(clip.samples, again.samples)
