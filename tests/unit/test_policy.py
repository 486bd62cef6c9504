"""The id of the search policy stands for every value that decides an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any

import pytest

from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy


def field_paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to each value of nested dataclasses."""
    if not is_dataclass(value):
        yield path
        return
    for field in fields(value):
        yield from field_paths(getattr(value, field.name), (*path, field.name))


def changed(value: Any, path: tuple[str, ...]) -> Any:
    """A copy with another value at a path."""
    if path:
        return replace(value, **{path[0]: changed(getattr(value, path[0]), path[1:])})
    return value[:-1] if isinstance(value, tuple) else value + 1


@pytest.mark.parametrize("path", [*field_paths(DEFAULT_POLICY)], ids=".".join)
def test_every_value_is_in_the_id(path: tuple[str, ...]) -> None:
    assert changed(DEFAULT_POLICY, path).id != DEFAULT_POLICY.id


def test_equal_values_have_one_id_of_16_hex_digits() -> None:
    assert SearchPolicy().id == DEFAULT_POLICY.id
    assert len(DEFAULT_POLICY.id) == 16
    int(DEFAULT_POLICY.id, 16)


def test_the_default_id_is_known() -> None:
    """The id changes with any default; a change of answers is then deliberate."""
    assert DEFAULT_POLICY.id == "1e11eb0770186493"


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        DEFAULT_POLICY.version = 2  # type: ignore[misc]
