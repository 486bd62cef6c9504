"""Explanations of matches: excerpts of synthetic clips lie where they were cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from databases import beside
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.library import Library
from fingerprinter.library.base.stored_peaks import load_peaks
from fingerprinter.library.identify.explanation import Agreement, Explanation, explain_alone
from fingerprinter.types import Track

Floats = npt.NDArray[np.float32]

PIECE_S = 40


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("explanation")
    for seed in range(3):
        soundfile.write(folder / f"{seed}.flac", play(seed, PIECE_S), SR)
    with open_library(folder / "library.db") as library:
        library.index([folder], embeddings=False, jobs=1)
        yield library


@pytest.fixture(scope="module")
def track(library: Library) -> Track:
    return next(each for each in library.tracks() if Path(each.path or "").stem == "1")


def cut(start_s: float, duration_s: float, seed: int = 1, tempo: float = 1.0) -> Floats:
    return play(seed, PIECE_S, tempo=tempo)[round(start_s * SR) :][: round(duration_s * SR)]


def agreement_in(explanation: Explanation) -> Agreement:
    assert explanation.searched
    assert explanation.agreement is not None
    return explanation.agreement


def test_a_clip_is_shown_where_it_was_cut(library: Library, track: Track) -> None:
    shown = library.explain((cut(7.0, 6), SR))
    agreement = agreement_in(shown)
    assert agreement.match == library.identify((cut(7.0, 6), SR))[0]
    assert agreement.match.track == track
    assert agreement.offset_s == pytest.approx(7.0, abs=DEFAULT.hop_s)
    assert agreement.found.mean() > 0.8
    assert agreement.votes.best > 10 * agreement.votes.luckiest
    assert (shown.track, shown.name, shown.excerpt.start_s) == (None, "<samples>", 0.0)


def test_shared_landmarks_lie_on_each_other(library: Library) -> None:
    shown = library.explain((cut(7.0, 6), SR))
    agreement = agreement_in(shown)
    clip, reference = shown.excerpt.kept, agreement.reference
    for of_clip, of_reference in (
        (agreement.clip_pairs.anchors, agreement.reference_pairs.anchors),
        (agreement.clip_pairs.targets, agreement.reference_pairs.targets),
    ):
        assert len(of_clip) == len(of_reference) > 200
        assert np.abs(clip.frames[of_clip] - reference.frames[of_reference]).max() <= 2.5
        assert np.abs(clip.bins[of_clip] - reference.bins[of_reference]).max() <= 1.0


def test_noise_hides_some_of_the_recordings_peaks(library: Library) -> None:
    clip = cut(7.0, 6)
    noise = np.random.default_rng(0).standard_normal(len(clip)) * np.sqrt(np.mean(clip**2))
    clean, noisy = (
        agreement_in(library.explain((np.asarray(samples, np.float32), SR)))
        for samples in (clip, clip + noise)
    )
    assert 0.2 < noisy.found.mean() < clean.found.mean()
    assert len(noisy.clip_pairs) < len(clean.clip_pairs)


def test_a_change_of_tempo_is_undone(library: Library, track: Track) -> None:
    tempo = 0.9
    shown = library.explain((cut(10 / tempo, 9, tempo=tempo), SR))
    agreement = agreement_in(shown)
    assert agreement.match.track == track
    assert agreement.tempo == pytest.approx(tempo, rel=0.01)
    assert agreement.offset_s == pytest.approx(10, abs=0.2)
    assert agreement.found.mean() > 0.5
    assert agreement.reference.frames.max() <= len(shown.excerpt.log_mag)


def test_only_a_part_is_read_searched_and_shown(library: Library, tmp_path: Path) -> None:
    clip = tmp_path / "radio.wav"
    soundfile.write(clip, np.concatenate([cut(5, 10, seed=0), cut(5, 10, seed=1)]), SR)
    agreement = agreement_in(library.explain(clip, 12.0, 16.0))
    assert Path(agreement.match.track.path or "").stem == "1"
    assert agreement.match.offset_s == pytest.approx(5 - 10, abs=0.1)
    assert 12.0 <= agreement.match.clip_start_s < agreement.match.clip_end_s <= 16.01
    assert agreement.offset_s == pytest.approx(7.0, abs=0.1)
    shown = library.explain(clip, start_s=18.5)
    assert (shown.excerpt.start_s, shown.name) == (18.5, str(clip))
    assert shown.excerpt.duration_s == pytest.approx(1.5, abs=0.001)


def test_of_a_long_clip_what_matched_is_shown(library: Library, tmp_path: Path) -> None:
    clip = tmp_path / "late.wav"
    hiss = 0.001 * np.random.default_rng(1).standard_normal(50 * SR)
    soundfile.write(clip, np.concatenate([hiss, cut(0, PIECE_S)]), SR)
    shown = library.explain(clip)
    match = agreement_in(shown).match
    assert shown.excerpt.start_s == match.clip_start_s > 30
    assert shown.excerpt.duration_s == pytest.approx(
        min(30, match.clip_end_s - match.clip_start_s), abs=0.001
    )
    assert agreement_in(shown).offset_s == pytest.approx(match.clip_start_s - 50, abs=0.1)


def test_an_unknown_clip_is_shown_alone(library: Library) -> None:
    shown = library.explain((play(77, 40), SR))
    assert (shown.searched, shown.agreement) == (True, None)
    assert shown.excerpt.duration_s == 30.0


def test_a_track_alone_keeps_the_peaks_that_the_library_keeps(
    library: Library, track: Track
) -> None:
    shown = library.explain(track, match=False)
    assert (shown.searched, shown.agreement, shown.track) == (False, None, track)
    with beside(library) as connection:
        stored = load_peaks(connection, track.id)
    inside = stored.take(
        stored.frames < 28 / DEFAULT.hop_s
    )  # peaks near the end depend on what follows
    kept = shown.excerpt.kept.take(shown.excerpt.kept.frames < 28 / DEFAULT.hop_s)
    np.testing.assert_array_equal(kept.frames, inside.frames)
    np.testing.assert_array_equal(kept.bins, inside.bins)


def test_every_peak_is_kept_or_not(library: Library, track: Track) -> None:
    excerpt = library.explain(track, 3.0, 9.0, match=False).excerpt
    places = [
        {*zip(peaks.frames.tolist(), peaks.bins.tolist(), strict=True)}
        for peaks in (excerpt.kept, excerpt.others)
    ]
    assert not places[0] & places[1]
    assert [len(each) for each in places] == [len(excerpt.kept), len(excerpt.others)]


def test_no_library_is_needed_for_a_recording_alone(track: Track) -> None:
    shown = explain_alone(track.path or "", 1.0, 3.0)
    assert (shown.track, shown.searched, shown.agreement) == (None, False, None)
    assert shown.excerpt.log_mag.shape == (59, DEFAULT.max_bin + 1)


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(5.0, 5.0), (9.0, 3.0), (-1.0, 5.0), (0.0, 120.5), (float("nan"), None)]
)
def test_an_invalid_part_is_refused(
    library: Library, track: Track, start_s: float, end_s: float | None
) -> None:
    with pytest.raises(UsageError, match=r"no part of a recording|at most 120 s"):
        library.explain(track, start_s, end_s)


@pytest.mark.parametrize(("start_s", "problem"), [(41.0, "no sample at"), (39.95, "a spectrum")])
def test_a_part_after_the_end_is_refused(
    library: Library, track: Track, start_s: float, problem: str
) -> None:
    with pytest.raises(AudioError, match=rf"1\.flac: .*{problem}"):
        library.explain(track, start_s, match=False)


def test_a_track_without_a_file_is_refused(library: Library, track: Track) -> None:
    with pytest.raises(AudioError, match=f"^track {track.id}: the library knows no file of it"):
        library.explain(replace(track, path=None))
    with pytest.raises(AudioError, match="its file is gone"):
        library.explain(replace(track, path="/gone.flac"))
