"""`path`, `search`, `recommend`, `clusters` and `map` on real music, with usage errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from program import Program

Entry = dict[str, Any]


def ids(record: dict[str, Any]) -> list[int]:
    return [each["track"]["id"] for each in record["results"]]


def test_a_path_is_json_table_and_playlist(demo_library: Program, tmp_path: Path) -> None:
    playlist = tmp_path / "path.m3u8"
    record = demo_library("path", "2", "5", "-n", "4", "--m3u", playlist, "--json").record
    assert list(record) == ["query", "results"]
    assert (record["query"]["from"]["id"], record["query"]["to"]["id"]) == (2, 5)
    assert (ids(record)[0], ids(record)[-1], len(ids(record))) == (2, 5, 4)
    assert record["results"][0]["similarity"] == 1
    assert len(playlist.read_text().splitlines()) == 1 + 2 * 4
    header, *rows = demo_library("path", "2", "5", "-n", "4").out.splitlines()
    assert header.split() == ["step", "id", "title", "artist", "file"]
    assert [int(row.split()[1]) for row in rows] == ids(record)
    assert "two different tracks" in demo_library("path", "2", "2", status=2).complaints[-1]
    demo_library("path", "2", "999", status=3)


def test_a_search_finds_by_name_and_by_sound(demo_library: Program, inside: list[Entry]) -> None:
    record = demo_library("search", "obsidian", "shell", "--json").record
    assert record["query"] == "obsidian shell"
    artists = [each["track"]["artist"] for each in record["results"]]
    named = sum(entry["artist"] == "Obsidian Shell" for entry in inside)
    assert artists[:named] == ["Obsidian Shell"] * named
    run = demo_library("search", "calm", "no", "metal", "xylofonix", "-n", "3", "--json")
    assert len(ids(run.record)) == 3
    assert run.complaints == ["xylofonix: no tag of the model and no name of the library"]
    demo_library("search", "...", status=2)


def test_recommendations_by_likes_and_by_a_history(
    demo_library: Program, inside: list[Entry], tmp_path: Path
) -> None:
    record = demo_library(
        "recommend", "--like", "1", "--like", "2", "--dislike", "3", "--json"
    ).record
    assert [track["id"] for track in record["query"]["like"]] == [1, 2]
    assert len(ids(record)) == len(inside) - 3
    assert not {1, 2, 3} & set(ids(record))
    plays = tmp_path / "plays.csv"
    plays.write_text("user,track,plays\nann,1,9\nann,Nobody - Nothing,4\n")
    run = demo_library("recommend", "--plays", plays, "-n", "4", "--json")
    assert run.record["query"] == {
        "plays": str(plays),
        "user": "ann",
        "listeners": 1,
        "songs": 2,
        "unmatched": [{"name": "Nobody - Nothing", "plays": 4}],
    }
    assert len(ids(run.record)) == 4
    assert run.complaints == ["ann: 1 of 2 songs are not in the library: Nobody - Nothing"]


@pytest.mark.parametrize(
    "arguments", [[], ["--like", "1", "--plays", "x.csv"], ["--like", "1", "--user", "ann"]]
)
def test_likes_and_history_exclude_each_other(demo_library: Program, arguments: list[str]) -> None:
    assert (
        "exactly one of the two" in demo_library("recommend", *arguments, status=2).complaints[-1]
    )


def test_clusters_and_the_map_agree(
    demo_library: Program, inside: list[Entry], tmp_path: Path
) -> None:
    clusters = demo_library("clusters", "-k", "3", "--json").records
    assert [list(each) for each in clusters] == [["id", "name", "tags", "size", "tracks"]] * 3
    assert sum(each["size"] for each in clusters) == len(inside)
    picture = tmp_path / "map.png"
    places = demo_library("map", "-k", "3", "--json", "-o", picture).records
    assert [each["id"] for each in places] == [*range(1, len(inside) + 1)]
    assert all(-1 <= each[axis] <= 1 for each in places for axis in "xy")
    sizes = [sum(each["cluster"] == n for each in places) for n in range(3)]
    assert sizes == [each["size"] for each in clusters]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert demo_library("clusters", "-k", "3").out.splitlines()[0].split()[:3] == [
        "cluster",
        "tracks",
        "name",
    ]
    assert "-o FILE.png" in demo_library("map", status=2).complaints[-1]
    assert "no kind of picture" in demo_library("map", "-o", "x.txt", status=2).complaints[-1]
