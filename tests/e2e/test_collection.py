"""`list`, `show`, `remove`, `stats`, `reindex`, `similar` and `db`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from program import Program

from fingerprinter.store.tables.schema import SCHEMA_HEAD

MUSIC = Path(__file__).resolve().parents[1] / "music"
TRACK_KEYS = [
    "id",
    "path",
    "title",
    "artist",
    "album",
    "track_number",
    "year",
    "genre",
    "duration_s",
    "content_id",
    "mbid",
    "added_at",
    "album_artist",
    "disc_number",
    "isrc",
    "label",
    "cover",
    "codec",
    "bit_rate",
    "sample_rate_hz",
    "channels",
    "start_s",
    "end_s",
]
STATS = {
    "address": str,
    "schema": str,
    "params_id": str,
    "profile": str,
    "tracks": int,
    "files": int,
    "audio_s": float,
    "tracks_in_part": int,
    "landmarks": int,
    "segments": int,
    "removed_tracks": int,
    "landmark_bytes": int,
    "constellation_bytes": int,
    "embeddings": int,
    "embedding_bytes": int,
    "analyzed": int,
    "mb_per_hour": float,
    "dead_share": float,
    "disk_bytes": int,
    "free_bytes": int,
    "parts": dict,
}

Entry = dict[str, Any]


def of(name: str) -> Path:
    (path,) = MUSIC.glob(f"*{name}*")
    return path


def set_schema(program: Program, revision: str) -> None:
    with closing(sqlite3.connect(program.url)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_list_and_show_print_all_fields(sqlite_demo: Program, inside: list[Entry]) -> None:
    tracks = sqlite_demo("list", "--json").records
    assert [track["title"] for track in tracks] == [entry["title"] for entry in inside]
    assert all(list(track) == TRACK_KEYS for track in tracks)
    assert [track["id"] for track in tracks] == list(range(1, len(inside) + 1))
    assert datetime.fromisoformat(tracks[0]["added_at"]).tzinfo
    header, *lines = sqlite_demo("list").out.splitlines()
    assert header.split() == ["id", "title", "artist", "album", "length", "file"]
    for line, track in zip(lines, tracks, strict=True):
        assert line.split()[0] == str(track["id"])
        assert all(track[key] in line for key in ("title", "artist", "album", "path"))
        assert " 0:34 " in line

    shown = sqlite_demo("show", "--json", of("geoscape")).record
    assert shown == tracks[4] | {"files": [str(of("geoscape"))], "problem": None}
    fields = dict(line.split(maxsplit=1) for line in sqlite_demo("show", "5").out.splitlines())
    assert fields["title"] == tracks[4]["title"]
    assert fields["content"] == tracks[4]["content_id"]
    assert (fields["length"], fields["year"], fields["file"]) == ("0:34", "2004", tracks[4]["path"])


def test_a_list_of_nothing_is_told(sqlite_demo: Program) -> None:
    for arguments in (["geoskape"], ["--artist", "nobody"], ["--albums", "geoskape"]):
        run = sqlite_demo("list", *arguments)
        assert (run.out, "nothing here has such names" in run.err) == ("", True)
        assert sqlite_demo("list", *arguments, "--json").err == ""


def test_removed_tracks_are_gone(copied_demo: Program, inside: list[Entry], clips: Any) -> None:
    before = copied_demo("list", "--json").records
    refused = copied_demo("remove", "1", "99", status=3)
    assert refused.complaints == [
        "error: no track 99 in this library; `fingerprinter list` shows those there are"
    ]
    removed = copied_demo("remove", "--json", "1", of("theme1"), of("wingame")).records
    assert removed == before[:2]
    assert copied_demo("list", "--json").records == before[2:]
    lost, kept = copied_demo(
        "identify", "--json", clips.clean(inside[0]), clips.clean(inside[2])
    ).records
    assert lost["matches"] == []
    assert kept["matches"][0]["track"] in before[2:4]
    assert copied_demo("remove", "3").out == "removed 3: Kenta Cho - stg1\n"


def test_stats_print_counts_and_sizes(sqlite_demo: Program, inside: list[Entry]) -> None:
    stats = sqlite_demo("stats", "--json").record
    assert {key: type(value) for key, value in stats.items()} == STATS
    assert stats["address"] == sqlite_demo.url
    assert stats["tracks"] == stats["files"] == stats["embeddings"] == len(inside)
    assert stats["audio_s"] == pytest.approx(34 * len(inside), abs=0.5)
    assert stats["disk_bytes"] == Path(sqlite_demo.url).stat().st_size
    parts = stats["parts"]
    assert list(parts) == ["landmarks", "peaks", "embeddings", "analyses", "tracks", "other"]
    assert all(list(part) == ["bytes", "mb_per_hour"] for part in parts.values())
    table = sqlite_demo("stats").out
    assert "0.1 h" in table
    assert f"{stats['landmarks']:,} ({stats['landmark_bytes'] / 1e6:.1f} MB packed)" in table


def test_reindex_rebuilds_landmarks_and_the_vector_index(
    copied_demo: Program, inside: list[Entry], clips: Any
) -> None:
    queries = [("identify", "--json", clips.clean(inside[5])), ("similar", "--json", "5")]
    clip, similar = (copied_demo(*query).record for query in queries)
    manifest = next(copied_demo.folder.glob("cache/*/manifest.json"))
    before = manifest.read_text()
    record = copied_demo("reindex", "--json").record
    assert list(record) == ["tracks", "elapsed_s"]
    assert record["tracks"] == len(inside)
    clip_again, similar_again = (copied_demo(*query).record for query in queries)
    assert clip_again["matches"] == clip["matches"]
    assert similar_again == similar
    assert manifest.read_text() != before


@pytest.mark.parametrize("pair", [("ezer_ev", "farkaskonny"), ("stg1", "stg3")])
def test_tracks_of_one_artist_are_neighbours(sqlite_demo: Program, pair: tuple[str, str]) -> None:
    for track, neighbour in (pair, pair[::-1]):
        record = sqlite_demo("similar", "--json", "-n", "3", of(track)).record
        assert list(record) == ["query", "results"]
        assert record["query"]["path"] == str(of(track))
        keys = ["track", "similarity", "copies"]
        assert [list(result) for result in record["results"]] == [keys] * 3
        assert record["results"][0]["track"]["path"] == str(of(neighbour))
        similarities = [result["similarity"] for result in record["results"]]
        assert similarities == sorted(similarities, reverse=True)


def test_similar_takes_any_file_and_writes_a_playlist(
    sqlite_demo: Program, outside: Entry, tmp_path: Path
) -> None:
    stranger = MUSIC / outside["file"]
    playlist = tmp_path / "like it.m3u8"
    record = sqlite_demo("similar", "--json", "-n", "2", "--m3u", playlist, stranger).record
    assert record["query"] == str(stranger)
    tracks = [result["track"] for result in record["results"]]
    lines = ["#EXTM3U"]
    for track in tracks:
        lines += [f"#EXTINF:34,{track['artist']} - {track['title']}", track["path"]]
    assert playlist.read_text(encoding="utf-8").splitlines() == lines
    nowhere = sqlite_demo("similar", "1", "--m3u", tmp_path / "none" / "x.m3u8", status=2)
    assert "No such file or directory; name a file that can be written" in nowhere.err
    unknown = sqlite_demo("similar", "nothing.opus", status=3)
    assert unknown.complaints[0].startswith("error: nothing.opus: no track of this library; ")


def test_similar_needs_embeddings(program: Program) -> None:
    program("index", "--no-embeddings", of("theme1"))
    refused = program("similar", "1", status=4)
    assert "run `fingerprinter index` without --no-embeddings" in refused.err


def test_the_schema_is_created_and_checked(program: Program) -> None:
    made = program("db", "upgrade", "--json").record
    assert made == {"address": program.url, "revision": SCHEMA_HEAD, "head": SCHEMA_HEAD}
    assert program("db", "upgrade").out == f"{program.url}: schema {SCHEMA_HEAD}, up to date\n"
    set_schema(program, "9999")
    assert program("db", "current", "--json").record == made | {"revision": "9999"}
    assert "upgrade fingerprinter" in program("list", status=4).err
