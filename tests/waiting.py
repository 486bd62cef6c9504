"""Waits for other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEADLINE_S = 300  # ends a test that hangs, also on a busy computer


def until(happens: Callable[[], Any]) -> Any:
    """Calls again and again until the result is neither None nor False, and returns it."""
    deadline = time.monotonic() + DEADLINE_S
    while (result := happens()) is None or result is False:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


def opened(pipe: Path) -> int | None:
    """Opens a pipe for writing. None as long as no other process has opened it for reading."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
