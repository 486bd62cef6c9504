"""The examples in the docstrings of core run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from fingerprinter import core

MODULES = [
    found.name
    for found in pkgutil.walk_packages(core.__path__, "fingerprinter.core.")
    if not found.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
