"""Which answers end a search: those that are certain without their sketches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fingerprinter.core.closeness import Closeness
from fingerprinter.core.matching import Alignment
from fingerprinter.core.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.warp import ESCALATION, UNCHANGED, Warp
from fingerprinter.library.identification import Found, Identifier
from fingerprinter.types import Peaks

DRUMS = Found(1, UNCHANGED, Alignment(0.0, 9.0, 4.0), Closeness(0.0, 0.0, 0.2), 0.0, 3.5, 20.0)
WHOLE = Found(1, UNCHANGED, Alignment(0.0, 90.0, 100.0), Closeness(0.0, 2.0, 0.9), 9.0, 3.5, 9.0)
HIGHER = Found(
    1, Warp(1.0, 1.12), Alignment(0.0, 60.0, 90.0), Closeness(0.0, 5.0, 0.8), 9.0, 3.8, 0.0
)


@pytest.mark.parametrize("unchanged, answer", [(DRUMS, HIGHER), (WHOLE, WHOLE)])
def test_what_only_sketches_make_certain_is_held_against_changes(
    monkeypatch: pytest.MonkeyPatch, unchanged: Found, answer: Found
) -> None:
    """Drums are alike at any pitch; both answers would be certain with their likeness."""
    index: Any = SimpleNamespace(frame_count=0)
    connection: Any = None
    identifier = Identifier(connection, index, DEFAULT, DEFAULT_QUERY)
    monkeypatch.setattr(Identifier, "_decided", lambda *_: [])
    monkeypatch.setattr(Identifier, "_unchanged", lambda *_: [unchanged])
    monkeypatch.setattr(Identifier, "_escalated", lambda *_: [HIGHER])
    monkeypatch.setattr(Identifier, "_retuned", lambda _, __, found: found)
    assert min(DRUMS.confidence, WHOLE.confidence, HIGHER.confidence) >= DEFAULT_QUERY.decisive
    frames = np.linspace(0, 312, 700, dtype=np.float32)
    peaks = Peaks(frames, frames % 400, frames % 3)
    assert identifier.identify(peaks, 0.95, every=False) == [answer]


@pytest.mark.parametrize("first, stages", [(DRUMS, 3), (WHOLE, 1)])
def test_the_changes_are_gone_through_until_one_is_certain_without_sketches(
    monkeypatch: pytest.MonkeyPatch, first: Found, stages: int
) -> None:
    index: Any = SimpleNamespace(frame_count=0)
    connection: Any = None
    identifier = Identifier(connection, index, DEFAULT, DEFAULT_QUERY)
    judged = iter([[first], [], []])
    asked: list[Any] = []
    monkeypatch.setattr(Identifier, "_decided", lambda *_: [])
    monkeypatch.setattr(Identifier, "_unchanged", lambda *_: [])
    monkeypatch.setattr(Identifier, "_changed", lambda *stage: asked.append(stage[-1]) or [])
    monkeypatch.setattr(Identifier, "_judge", lambda *_, **__: next(judged))
    monkeypatch.setattr(Identifier, "_retuned", lambda _, __, found: found)
    frames = np.linspace(0, 312, 700, dtype=np.float32)
    assert identifier.identify(Peaks(frames, frames % 400, frames % 3), 0.95, every=False) == [
        first
    ]
    assert asked == list(ESCALATION[:stages])
