"""The examples in the docstrings of the package run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import fingerprinter

# See `tests/contract/test_library.py`.
NEED_A_LIBRARY = ("fingerprinter.library.library", "fingerprinter.library.maintain.lists")


def has_examples(name: str) -> bool:
    path = Path(*name.split(".")).with_suffix(".py")
    source = Path(fingerprinter.__path__[0]).parent / path
    return name not in NEED_A_LIBRARY and ">>> " in source.read_text(encoding="utf-8")


MODULES = [
    found.name
    for found in pkgutil.walk_packages(fingerprinter.__path__, "fingerprinter.")
    if not found.ispkg and has_examples(found.name)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    tested = doctest.testmod(importlib.import_module(name))
    assert (tested.failed, tested.attempted > 0) == (0, True)
