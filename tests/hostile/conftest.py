"""Fixtures of the tests with hostile input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fingerprinter.audio import DecodingLimits, DecodingProcess

SMALL = DecodingLimits(memory_bytes=100_000_000, cpu_s=0.5, cpu_s_per_audio_s=0.2)


@pytest.fixture
def process() -> Iterator[DecodingProcess]:
    """A decoding process that allows little."""
    with DecodingProcess(SMALL) as process:
        yield process


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file."""

    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write
