"""Identification of synthetic clips, unchanged and warped, in an indexed library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from sqlalchemy import Engine, event
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.audio import read_samples
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.errors import AudioError
from fingerprinter.evaluation.degrade import stretched
from fingerprinter.library import Library
from fingerprinter.types import Match

Floats = npt.NDArray[np.float32]

MUSIC = Path(__file__).parents[1] / "music"
PIECES = range(6)
PIECE_S = 20
CERTAIN = 0.999  # a changed clip found at a nearby change is not decisive yet

each_piece = pytest.mark.parametrize("seed", PIECES)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identification") / "library.db"


@pytest.fixture(scope="module")
def library(path: Path) -> Iterator[Library]:
    for seed in PIECES:
        soundfile.write(path.parent / f"{seed}.flac", play(seed, PIECE_S), SR)
    with open_library(path) as library:
        report = library.index([path.parent], embeddings=False, jobs=2)
        assert (report.indexed, report.failed) == (len(PIECES), 0)
        yield library


def noise(duration_s: float, level: float = 0.1) -> Floats:
    n = round(duration_s * SR)
    return (level * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def sine(duration_s: float) -> Floats:
    t = np.arange(round(duration_s * SR)) / SR
    return (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def cut(samples: Floats, start_s: float, duration_s: float) -> Floats:
    return samples[round(start_s * SR) : round((start_s + duration_s) * SR)]


def only(matches: list[Match], seed: int) -> Match:
    """The one match, which is the piece of the seed."""
    assert [Path(match.track.path or "").stem for match in matches] == [str(seed)]
    return matches[0]


@each_piece
@pytest.mark.parametrize("start_s, duration_s", [(0.0, 3), (7.013, 2), (12.5, 6)])
def test_a_clip_lies_where_it_was_cut(
    library: Library, seed: int, start_s: float, duration_s: float
) -> None:
    clip = cut(play(seed, PIECE_S), start_s, duration_s)
    match = only(library.identify((clip, SR)), seed)
    assert match.offset_s == pytest.approx(start_s, abs=DEFAULT.hop_s)
    assert (match.tempo, match.pitch) == (1, 1)
    assert 0 <= match.clip_start_s < match.clip_end_s <= duration_s + 0.01


def test_noise_rates_and_channels_do_not_matter(library: Library) -> None:
    clip = cut(play(2, PIECE_S), 6, 5)
    noisy = clip + noise(5, level=0.05)
    stereo = np.stack([soxr.resample(noisy, SR, 44_100)] * 2)
    match = only(library.identify((stereo, 44_100)), 2)
    assert match.offset_s == pytest.approx(6, abs=2 * DEFAULT.hop_s)


def test_a_clip_may_begin_before_its_track(library: Library) -> None:
    clip = np.concatenate([noise(4, level=0.01), cut(play(3, PIECE_S), 0, 5)])
    match = only(library.identify((clip, SR)), 3)
    assert match.offset_s == pytest.approx(-4, abs=2 * DEFAULT.hop_s)
    assert match.clip_start_s == pytest.approx(4, abs=2 * DEFAULT.hop_s)


@pytest.mark.parametrize("speed", [0.92, 1.04, 1.1])
def test_a_change_of_speed_is_found_and_measured(library: Library, speed: float) -> None:
    changed = soxr.resample(play(1, PIECE_S), SR * speed, SR)
    match = only(library.identify((cut(changed, 4 / speed, 8), SR), min_confidence=CERTAIN), 1)
    assert match.tempo == pytest.approx(speed, rel=0.015)
    assert match.pitch == pytest.approx(speed, rel=0.015)
    assert match.offset_s == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("tempo", [0.9, 1.12])
def test_a_change_of_tempo_is_found_and_measured(library: Library, tempo: float) -> None:
    changed = play(4, PIECE_S, tempo=tempo)
    match = only(library.identify((cut(changed, 4 / tempo, 8), SR), min_confidence=CERTAIN), 4)
    assert match.tempo == pytest.approx(tempo, rel=0.02)
    assert match.pitch == pytest.approx(1, rel=0.02)
    assert match.offset_s == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("semitones", [-2, 1])
def test_a_change_of_pitch_is_found_and_measured(library: Library, semitones: int) -> None:
    pitch = 2 ** (semitones / 12)
    changed = play(0, PIECE_S, pitch=pitch)
    match = only(library.identify((cut(changed, 4, 8), SR), min_confidence=CERTAIN), 0)
    assert match.pitch == pytest.approx(pitch, rel=0.015)
    assert match.tempo == pytest.approx(1, rel=0.015)
    assert match.offset_s == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("seed", range(100, 106))
def test_other_music_has_no_match(library: Library, seed: int) -> None:
    assert library.identify((play(seed, 5), SR)) == []


@pytest.mark.parametrize(
    "samples",
    [np.zeros(5 * SR, np.float32), noise(5), sine(5), cut(play(0, PIECE_S), 5, 0.2), noise(0.05)],
    ids=["silence", "white noise", "a sine", "a fifth of a second", "less than a frame"],
)
def test_silence_noise_and_too_short_clips_have_no_match(library: Library, samples: Floats) -> None:
    answer = library.recognize((samples, SR))
    assert answer.matches == []
    assert answer.duration_s == pytest.approx(len(samples) / SR)


def test_windows_without_peaks_are_skipped(library: Library) -> None:
    silence_s = 2 * DEFAULT_QUERY.window_hop_s
    clip = np.concatenate([np.zeros(round(silence_s * SR), np.float32), play(4, PIECE_S)])
    match = only(library.identify((clip, SR)), 4)
    assert match.offset_s == pytest.approx(-silence_s, abs=0.1)
    assert match.clip_start_s == pytest.approx(silence_s, abs=0.1)


def test_identifying_loads_only_what_it_needs(library: Library, path: Path) -> None:
    """The whole program has 0.7 s; each of these would take its share."""
    script = (
        "import sys, fingerprinter\n"
        "with fingerprinter.open_library(sys.argv[1]) as library:\n"
        "    assert library.identify(sys.argv[2])\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", script, str(path), str(path.parent / "0.flac")]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True)
    heavy = {"alembic", "faiss", "librosa", "mutagen", "onnxruntime", "scipy", "sqlalchemy.orm"}
    assert (heavy | {"numpy.ma", "soxr"}) & set(loaded.stdout.split()) == set()


@each_piece
def test_a_clip_that_plays_backwards_has_no_match(library: Library, seed: int) -> None:
    backwards = cut(play(seed, PIECE_S), 4, 8)[::-1].copy()
    assert library.identify((backwards, SR)) == []


@pytest.mark.parametrize("start_s", [2.0, 7.0])
def test_a_faster_loop_is_not_taken_for_one_that_plays_backwards(
    tmp_path: Path, start_s: float
) -> None:
    """Nearly the same notes come again and again, so they align as well when turned around."""
    loop = MUSIC / "kenta_cho-stg3.ogg"
    clip = stretched(cut(read_samples(loop), start_s, 12), Warp(1.19, 1.0))
    with open_library(tmp_path / "library.db") as library:
        library.index([loop], embeddings=False, jobs=1)
        (match,) = library.identify((cut(clip, 0, 10), SR))
    assert match.tempo == pytest.approx(1.19, abs=0.005)


@pytest.mark.parametrize("at_end", [False, True])
def test_a_clip_with_a_third_in_its_track_is_not_placed_at_a_repeat(
    tmp_path: Path, at_end: bool
) -> None:
    phrase, between, silence = play(40, 5), play(41, 8), np.zeros(7 * SR, np.float32)
    pieces = play(42, 15), np.concatenate([phrase, between, phrase]), play(43, 15)
    for number, samples in enumerate(pieces):
        soundfile.write(tmp_path / f"{number}.flac", samples, SR)
    clip = [phrase[-4 * SR :], silence] if at_end else [silence, phrase[: 4 * SR]]
    with open_library(tmp_path / "library.db") as library:
        library.index([tmp_path], embeddings=False, jobs=1)
        [match] = library.identify((np.concatenate(clip), SR))
    assert match.offset_s == pytest.approx(14.0 if at_end else -7.0, abs=0.1)


def test_each_recording_is_told_when_it_ends_and_ctrl_c_keeps_them(library: Library) -> None:
    parts = [cut(play(seed, PIECE_S), 2, 16) for seed in (1, 2, 3)]
    told: list[Match] = []

    def stop_at_second(match: Match) -> None:
        told.append(match)
        if len(told) == 2:
            raise KeyboardInterrupt

    clip = np.concatenate([*parts, noise(120, 0.01)]), SR
    found = library.recognize(clip, all_matches=True, on_match=stop_at_second)
    assert found.stopped
    assert found.duration_s < 3 * 16 + 120
    assert told == found.matches
    begins = [match.offset_s + match.clip_start_s for match in told]
    assert begins == pytest.approx([2] * len(told), abs=1)


def test_ctrl_c_during_a_query_keeps_what_was_found(library: Library) -> None:
    told: list[Match] = []

    def interrupt_once(*_: object) -> None:
        if told:
            event.remove(Engine, "before_cursor_execute", interrupt_once)
            raise KeyboardInterrupt

    event.listen(Engine, "before_cursor_execute", interrupt_once)
    clip = np.concatenate([cut(play(1, PIECE_S), 2, 16), noise(120, 0.01)]), SR
    found = library.recognize(clip, all_matches=True, on_match=told.append)
    assert found.stopped
    assert [Path(match.track.path or "").stem for match in found.matches] == ["1"]


@pytest.mark.parametrize("tempo", [0.7, 1.4])
def test_a_tempo_outside_the_range_is_told_truly_or_not_at_all(
    library: Library, tempo: float
) -> None:
    for seed in PIECES:
        clip = stretched(cut(play(seed, PIECE_S), 3, 14), Warp(tempo))
        for match in library.identify((clip[: 9 * SR], SR)):
            assert match.tempo == pytest.approx(tempo, rel=0.01)


def test_no_samples_are_an_error(library: Library) -> None:
    with pytest.raises(AudioError, match="empty"):
        library.identify((np.empty(0, np.float32), SR))


def test_every_recording_in_a_long_clip_is_reported_in_its_order(library: Library) -> None:
    clip = np.concatenate([play(5, PIECE_S), play(2, PIECE_S)])
    matches = library.identify((clip, SR), all_matches=True)
    assert [Path(match.track.path or "").stem for match in matches] == ["5", "2"]
    first, second = matches
    assert first.offset_s == pytest.approx(0, abs=0.1)
    assert second.offset_s == pytest.approx(-PIECE_S, abs=0.1)
    assert first.clip_end_s == pytest.approx(PIECE_S, abs=0.1)
    assert second.clip_start_s == pytest.approx(PIECE_S, abs=0.1)


def crossfaded(parts: list[Floats], fade_s: float) -> Floats:
    """One after the other, each two of them overlapping in a fade of equal power."""
    fade = round(fade_s * SR)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
    mix = parts[0].copy()
    for part in parts[1:]:
        mix[-fade:] = mix[-fade:] * ramp[::-1] + part[:fade] * ramp
        mix = np.concatenate([mix, part[fade:]])
    return mix


def test_a_mix_is_a_track_list_with_borders_and_tempos(library: Library) -> None:
    """Crossfades, another tempo, unknown music between."""
    parts = [play(5, PIECE_S), play(1, PIECE_S, tempo=1.04), play(100, 15), play(2, PIECE_S)]
    first, second, third = library.identify((crossfaded(parts, 3.0), SR), all_matches=True)
    found = [Path(match.track.path or "").stem for match in (first, second, third)]
    assert found == ["5", "1", "2"]
    middle_s = PIECE_S - 3
    start_s = middle_s + PIECE_S / 1.04 - 3 + 15 - 3
    assert (first.clip_start_s, first.clip_end_s) == pytest.approx((0, PIECE_S), abs=0.5)
    assert (second.clip_start_s, second.clip_end_s) == pytest.approx(
        (middle_s, middle_s + PIECE_S / 1.04), abs=0.5
    )
    assert (third.clip_start_s, third.clip_end_s) == pytest.approx(
        (start_s, start_s + PIECE_S), abs=0.5
    )
    assert (second.tempo, second.pitch) == pytest.approx((1.04, 1), abs=0.005)
    assert third.offset_s == pytest.approx(-start_s, abs=0.1)


def test_two_recordings_at_once_are_both_listed(library: Library) -> None:
    clip = (play(0, PIECE_S) + play(3, PIECE_S)) / 2
    matches = library.identify((clip, SR), all_matches=True)
    assert {Path(match.track.path or "").stem for match in matches} == {"0", "3"}
    for match in matches:
        assert (match.clip_start_s, match.clip_end_s) == pytest.approx((0, PIECE_S), abs=1)


def test_of_a_long_clip_no_more_is_read_than_the_first_match_needs(library: Library) -> None:
    """The length is what the file promises then."""
    clip = np.concatenate([play(4, PIECE_S), *[play(seed, PIECE_S) for seed in range(100, 105)]])
    answer = library.recognize((clip, SR))
    assert only(answer.matches, 4).clip_end_s == pytest.approx(DEFAULT_QUERY.window_s, abs=0.2)
    assert answer.duration_s == 6 * PIECE_S


def test_a_library_is_searched_under_the_policy_that_it_was_opened_with(
    library: Library, path: Path
) -> None:
    clip = cut(play(0, PIECE_S), 5.0, 5.0), SR
    score = replace(DEFAULT_POLICY.score, null_level=200.0, sketched_null_level=200.0)
    strict = replace(DEFAULT_POLICY, score=score)
    assert library.policy == DEFAULT_POLICY
    assert library.identify(clip)
    with open_library(path, read_only=True, policy=strict) as other:
        assert other.policy.id == strict.id
        assert other.identify(clip) == []
