"""Parsing of key names."""

from __future__ import annotations

import pytest

from fingerprinter.core.mir import keys


def test_every_name_is_parsed_to_itself() -> None:
    names = [f"{tonic} {mode}" for tonic in keys.TONICS for mode in keys.MODES]
    assert [keys.parse_key(name) for name in names] == names
    assert [keys.parse_key(name.upper()) for name in names] == names


@pytest.mark.parametrize("text", ["", "H major", "A dorian", "minor", "Abb"])
def test_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a key; write A minor"):
        keys.parse_key(text)
