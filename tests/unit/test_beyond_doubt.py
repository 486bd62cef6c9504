"""Which answers end a search: those that are certain without their sketches."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.warp import ESCALATION, UNCHANGED, Warp
from fingerprinter.core.match.closeness import Closeness
from fingerprinter.core.match.matching import Alignment
from fingerprinter.library.identify.identifier import Found, Identifier
from fingerprinter.types import Peaks

DRUMS = Found(1, UNCHANGED, Alignment(0.0, 9.0, 4.0), Closeness(0.0, 0.0, 0.2), 0.0, 3.5, 20.0)
WHOLE = Found(1, UNCHANGED, Alignment(0.0, 90.0, 100.0), Closeness(0.0, 2.0, 0.9), 9.0, 3.5, 9.0)
HIGHER = Found(
    1, Warp(1.0, 1.12), Alignment(0.0, 60.0, 90.0), Closeness(0.0, 5.0, 0.8), 9.0, 3.8, 0.0
)


def identified(monkeypatch: pytest.MonkeyPatch, **stages: Callable[..., Any]) -> list[Found]:
    """What comes of a clip whose stages of the search answer so, the quick one nothing."""
    answers = {"_decided": lambda *_: [], "_retuned": lambda _, __, found: found, **stages}
    for name, answer in answers.items():
        monkeypatch.setattr(Identifier, name, answer)
    index: Any = SimpleNamespace(frame_count=0)
    connection: Any = None
    frames = np.linspace(0, 312, 700, dtype=np.float32)
    peaks = Peaks(frames, frames % 400, frames % 3)
    return Identifier(connection, index, DEFAULT, DEFAULT_QUERY).identify(peaks, 0.95, every=False)


@pytest.mark.parametrize("unchanged, answer", [(DRUMS, HIGHER), (WHOLE, WHOLE)])
def test_what_only_sketches_make_certain_is_held_against_changes(
    monkeypatch: pytest.MonkeyPatch, unchanged: Found, answer: Found
) -> None:
    """Drums are alike at any pitch; both answers would be certain with their likeness."""
    assert min(DRUMS.confidence, WHOLE.confidence, HIGHER.confidence) >= DEFAULT_QUERY.decisive
    found = identified(
        monkeypatch, _unchanged=lambda *_: [unchanged], _escalated=lambda *_: [HIGHER]
    )
    assert found == [answer]


@pytest.mark.parametrize("first, stages", [(DRUMS, 3), (WHOLE, 1)])
def test_the_changes_are_gone_through_until_one_is_certain_without_sketches(
    monkeypatch: pytest.MonkeyPatch, first: Found, stages: int
) -> None:
    judged = iter([[first], [], []])
    asked: list[Any] = []
    found = identified(
        monkeypatch,
        _unchanged=lambda *_: [],
        _changed=lambda *stage: asked.append(stage[-1]) or [],
        _judge=lambda *_, **__: next(judged),
    )
    assert found == [first]
    assert asked == list(ESCALATION[:stages])
