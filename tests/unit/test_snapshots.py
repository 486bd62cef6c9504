"""The cache of one value per state of the database, as several threads use it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from fingerprinter.library.base.snapshots import SnapshotCache

THREADS = 8


def test_one_thread_loads_and_the_others_wait_and_share() -> None:
    cache, loads = SnapshotCache[object](), []
    together, may_end = Barrier(THREADS + 1), Event()

    def load() -> object:
        loads.append(1)
        may_end.wait(10)
        return object()

    def ask() -> object:
        together.wait(10)
        return cache.get(1, load)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [pool.submit(ask) for _ in range(THREADS)]
        together.wait(10)
        assert not any(answer.done() for answer in answers)
        may_end.set()
        values = {id(answer.result(10)) for answer in answers}
    assert (len(loads), len(values)) == (1, 1)


def test_each_state_is_loaded_once() -> None:
    cache, loads = SnapshotCache[int](), []

    def load(state: int) -> int:
        loads.append(state)
        return state * 10

    with ThreadPoolExecutor(THREADS) as pool:
        for state in range(50):
            values = pool.map(lambda _, s=state: cache.get(s, lambda: load(s)), range(THREADS))
            assert set(values) == {state * 10}
    assert loads == [*range(50)]


def test_a_failed_load_keeps_the_value_and_frees_the_lock() -> None:
    cache = SnapshotCache[str]()
    assert cache.get(1, lambda: "first") == "first"

    def fail() -> str:
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        cache.get(2, fail)
    assert cache.get(1, lambda: "not needed") == "first"
    assert cache.get(2, lambda: "second") == "second"
