"""Limits of a list of results by artist and by album."""

from __future__ import annotations

from datetime import UTC, datetime

from fingerprinter.library.similar.result_list import ListOptions, ResultList
from fingerprinter.types import Neighbour, Track


def track(id_: int, album: str | None, artist: str, album_artist: str | None = None) -> Track:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values = (None, None, artist, album, None, None, None, 10.0, str(id_), None, now)
    return Track(id_, *values, album_artist=album_artist)  # type: ignore[arg-type]


TRACKS = [
    track(1, "Sampler", "a", "Various"),
    track(2, "sampler ", "b", "various"),
    track(3, "Sampler", "c"),  # another album of this title
    track(4, None, "a"),
    track(5, None, "a"),
]


def listed(options: ListOptions, *queries: Track) -> list[int]:
    results = ResultList(options, None, queries)
    for each in TRACKS:
        results.offer(Neighbour(each, 0.5))
    return [each.track.id for each in results.neighbours]


def test_a_limit_for_each_album_counts_titles_with_their_album_artist() -> None:
    assert listed(ListOptions(per_album=1)) == [1, 3, 4, 5]


def test_a_track_over_one_limit_does_not_use_up_the_other() -> None:
    assert listed(ListOptions(per_artist=1, per_album=1)) == [1, 3]


def test_the_albums_of_the_queries_can_be_left_out() -> None:
    query = track(9, "SAMPLER", "z", "Various")
    assert listed(ListOptions(not_same_album=True), query) == [3, 4, 5]
    assert listed(ListOptions(not_same_album=True), track(9, None, "z")) == [1, 2, 3, 4, 5]
