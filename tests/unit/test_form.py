"""Sections of generated recordings with a known form."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprinter.core.mir.form import Moments, moments, sections


def recording(form: str, moments_each: int = 30, seed: int = 0) -> Moments:
    """Generate moments of half a second; each letter has its own timbre and phrase."""
    rng = np.random.default_rng(seed)
    sounds = {letter: rng.normal(size=14) for letter in sorted(set(form))}
    phrases = {letter: rng.random((8, 12)) for letter in sorted(set(form))}
    timbre = [sounds[letter] + 0.3 * rng.normal(size=(moments_each, 14)) for letter in form]
    harmony = [np.resize(phrases[letter], (moments_each, 12)) for letter in form]
    edges_s = 0.5 * np.arange(len(form) * moments_each + 1)
    return Moments(edges_s, np.concatenate(harmony), np.concatenate(timbre))


@pytest.mark.parametrize("form", ["AB", "ABA", "ABAB", "ABAC", "ABCAB"])
def test_the_form_is_found(form: str) -> None:
    found = sections(recording(form), np.random.default_rng(0))
    assert "".join(part.label for part in found) == form
    starts = [part.start_s for part in found]
    np.testing.assert_allclose(starts, 15 * np.arange(len(form)), atol=2)
    assert [part.end_s for part in found[:-1]] == starts[1:]
    assert found[-1].end_s == 15 * len(form)


def test_one_sound_is_one_section() -> None:
    (only,) = sections(recording("A"), np.random.default_rng(0))
    assert (only.start_s, only.end_s, only.label) == (0.0, 15.0, "A")


def test_short_recordings_have_one_section_or_none() -> None:
    empty = Moments(np.zeros(1), np.empty((0, 12)), np.empty((0, 14)))
    assert sections(empty, np.random.default_rng(0)) == ()
    assert len(sections(recording("A", 5), np.random.default_rng(0))) == 1


def test_moments_are_means_between_edges() -> None:
    frames = np.arange(20, dtype=np.float32)[:, np.newaxis]
    found = moments(np.array([0.0, 0.01, 0.5, 2.0]), 0.1, frames, frames)
    np.testing.assert_array_equal(found.edges_s, [0, 0.5, 2])
    np.testing.assert_array_equal(found.harmony[:, 0], [2, 12])


def test_a_long_recording_has_coarser_moments() -> None:
    frames = np.zeros((36_000, 1), np.float32)
    found = moments(np.arange(0, 3600.1, 0.5), 0.1, frames, frames)
    assert len(found) == 600
    assert found.edges_s[-1] == 3600
