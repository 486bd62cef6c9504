"""Listening histories in all formats, and their matching to tracks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_cli import TRACK

from fingerprinter.errors import UsageError
from fingerprinter.library.discover.history_matching import TrackMatcher
from fingerprinter.library.discover.play_history import PlayedTrack, read_history, select_user


def history(folder: Path, text: str, name: str = "plays.csv") -> dict[str, dict[PlayedTrack, int]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return {user: dict(plays) for user, plays in read_history(path).items()}


def test_a_csv_of_users_tracks_and_plays(tmp_path: Path) -> None:
    text = (
        "user,track,plays\nann,Air - All I Need,3\nbob,/music/a.flac,1\nann,Air - All I Need,2\n\n"
    )
    assert history(tmp_path, text) == {
        "ann": {PlayedTrack(name="Air - All I Need"): 5},
        "bob": {PlayedTrack(name="/music/a.flac"): 1},
    }


def test_columns_may_have_any_order_and_case(tmp_path: Path) -> None:
    text = "\ufeffPlaycount,Title,Artist,MBID\n7,Song,Singer,ab-cd\n,Other,Singer,\n"
    assert history(tmp_path, text) == {
        "me": {PlayedTrack("Singer", "Song", "ab-cd"): 7, PlayedTrack("Singer", "Other"): 1}
    }


def test_lastfm_with_a_header(tmp_path: Path) -> None:
    text = (
        "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
        '1,"01 Jan 2020, 10:00",Air,a,Moon Safari,b,All I Need,c\n' * 2
    ).replace("\nuts,", "\n0,")
    plays = history(tmp_path, text)["me"]
    assert plays[PlayedTrack("Air", "All I Need", "c")] == 2


def test_lastfm_without_a_header(tmp_path: Path) -> None:
    text = (
        'Air,Moon Safari,"All I Need","01 Jan 2020 10:00"\nAir,Moon Safari,Sexy Boy,02 Jan 2020\n'
    )
    assert history(tmp_path, text) == {
        "me": {PlayedTrack("Air", "All I Need"): 1, PlayedTrack("Air", "Sexy Boy"): 1}
    }


LISTEN = {
    "listened_at": 1,
    "user_name": "ann",
    "track_metadata": {
        "artist_name": "Air",
        "track_name": "All I Need",
        "additional_info": {"recording_mbid": "old"},
        "mbid_mapping": {"recording_mbid": "new"},
    },
}
BARE = {"track_metadata": {"artist_name": "Air", "track_name": "All I Need", "mbid_mapping": None}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([LISTEN, LISTEN, BARE]),
        json.dumps([LISTEN, LISTEN, BARE], indent=1),
        "\n".join(map(json.dumps, [LISTEN, LISTEN, BARE])) + "\n",
        json.dumps({"payload": {"listens": [LISTEN, LISTEN, BARE]}}),
    ],
)
def test_listenbrainz(tmp_path: Path, text: str) -> None:
    assert history(tmp_path, text, "listens.json") == {
        "ann": {PlayedTrack("Air", "All I Need", "new"): 2},
        "me": {PlayedTrack("Air", "All I Need"): 1},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column is called track or title"),
        ("user,plays\nann,3\n", "no column is called track or title"),
        ("user,track,plays\n", "it contains no plays"),
        ("user,track,plays\nann,x,often\n", "line 2: often plays; write a whole number"),
        ("[1]", "no listens of ListenBrainz"),
        ('{"track_metadata": []}', "no listens of ListenBrainz"),
        ("{", "line 1: cut off or damaged"),
        ('{"track_metadata": {"track_name": "a"}}\n{"track_metadata": {"tr', "line 2: cut off"),
        ('[{"track_metadata": {"track_name": "a"}},', "line 1: cut off"),
        ("[" * 100_000, "no listens of ListenBrainz"),
        (f"[{'9' * 5000}]", "no listens of ListenBrainz"),
        (f"user,track,plays\nann,x,{'9' * 5000}\n", "line 2: 9{40} plays; write a whole"),
        (f"user,track\nann,{'x' * 200_000}\n", "no table"),
    ],
)
def test_an_unusable_history_is_a_usage_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        history(tmp_path, text)


def test_values_of_other_types_are_no_text(tmp_path: Path) -> None:
    listen = {"user_name": [1], "track_metadata": {"artist_name": {}, "track_name": "a"}}
    assert history(tmp_path, json.dumps([listen])) == {"me": {PlayedTrack(title="a"): 1}}


def test_a_file_that_is_no_text_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\xff")
    for name in ("x.csv", "missing.csv", "."):
        with pytest.raises(UsageError, match="give a CSV"):
            read_history(tmp_path / name)


def test_select_user(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_text("user,track\nann,a\nbob,b\n", encoding="utf-8")
    both = read_history(path)
    assert select_user(both, "bob") == "bob"
    with pytest.raises(UsageError, match="2 listeners; name one with --user: ann, bob"):
        select_user(both, None)
    with pytest.raises(UsageError, match="eve: no such listener"):
        select_user(both, "eve")
    assert select_user({"ann": both["ann"]}, None) == "ann"


MATCHER = TrackMatcher(
    [
        replace(TRACK, id=1, path="/music/1.flac", artist="Björk", title="Jóga", mbid="AB-1"),
        replace(TRACK, id=2, path="/music/2.flac", artist="Air", title="All I Need", mbid=None),
        replace(TRACK, id=3, path="/music/untagged.ogg", artist=None, title=None),
    ]
)


@pytest.mark.parametrize(
    ("played", "track_id"),
    [
        (PlayedTrack("Somebody", "Else", "ab-1"), 1),
        (PlayedTrack("bjork", "JOGA!"), 1),
        (PlayedTrack(name="Bjork - Joga"), 1),
        (PlayedTrack(name="/music/1.flac"), 1),
        (PlayedTrack(name="/music/2.flac"), 2),
        (PlayedTrack(name="untagged.ogg"), 3),
        (PlayedTrack(name="2"), 2),
        (PlayedTrack(name="ab-1"), 1),
        (PlayedTrack("Air feat. Beth Hirsch", "All I Need (2008 Remaster)"), 2),
        (PlayedTrack(name="Air & Beth Hirsch - All I Need [Live]"), 2),
        (PlayedTrack("Air", "Sexy Boy"), None),
        (PlayedTrack("", ""), None),
        (PlayedTrack(name="99"), None),
    ],
)
def test_history_entries_are_matched_to_tracks(played: PlayedTrack, track_id: int | None) -> None:
    assert MATCHER.find(played) == track_id
