"""Waiting for what another process does in its own time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEADLINE_S = 60


def until(happens: Callable[[], Any]) -> Any:
    """What a call returns as soon as that is neither None nor False."""
    deadline = time.monotonic() + DEADLINE_S
    while (result := happens()) is None or result is False:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


def opened(pipe: Path) -> int | None:
    """The writer's end of a pipe, once somebody has opened the other and waits for data."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
