"""The id of the parameters stands for every value that decides what is stored."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams

each_field = pytest.mark.parametrize("name", [field.name for field in fields(LandmarkParams)])


@each_field
def test_every_value_that_landmarks_depend_on_is_in_the_id(name: str) -> None:
    other = replace(DEFAULT, **{name: getattr(DEFAULT, name) + 1})
    assert (other.id != DEFAULT.id) == (name != "sketch_words")  # sketches have their version


def test_equal_values_have_one_id_of_16_hex_digits() -> None:
    again = LandmarkParams(**asdict(DEFAULT))
    assert (again, again.id) == (DEFAULT, DEFAULT.id)
    assert len(DEFAULT.id) == 16
    int(DEFAULT.id, 16)


def test_units_are_derived() -> None:
    params = LandmarkParams(sr=8000, n_fft=1000, hop_length=200)
    assert params.hop_s == 0.025
    assert params.bin_hz == 8.0


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        DEFAULT.sr = 8000  # type: ignore[misc]
