"""The command line in one process: help, usage, text, JSON objects and tables."""

from __future__ import annotations

import csv
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fingerprinter.cli import app
from fingerprinter.cli.commands import collection, identify
from fingerprinter.cli.common import progress, text
from fingerprinter.cli.common.output import Column, print_json, print_table
from fingerprinter.cli.common.playlist import write_playlist
from fingerprinter.cli.common.records import match_record, report_record, track_record
from fingerprinter.cli.common.track_lists import ClipResult, TrackListFormat, track_list
from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError, LibraryError, UnknownTrackError, UsageError
from fingerprinter.library import Recognition
from fingerprinter.library.base.progress import Progress
from fingerprinter.types import IndexReport, Match, Problem, Track

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TRACK = Track(
    id=7,
    path="/music/song.ogg",
    title="Song",
    artist="Singer",
    album=None,
    track_number=3,
    year=1999,
    genre=None,
    duration_s=83.3,
    content_id="0" * 32,
    mbid=None,
    added_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    problem="decoded 83.3 of 90.0 s (the file ends early)",
)
MATCH = Match(TRACK, score=9.5, confidence=0.999, offset_s=-1.5, clip_start_s=1.5, clip_end_s=9.0)

run = CliRunner().invoke


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by its words, those of groups included."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        if words:
            yield words, command
        inside = command.list_commands(None) if hasattr(command, "commands") else []
        waiting += [((*words, name), command.get_command(None, name)) for name in inside]


COMMANDS = dict(commands())
LEAVES = {words: each for words, each in COMMANDS.items() if not hasattr(each, "commands")}

each_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
each_leaf = pytest.mark.parametrize("words", LEAVES, ids=" ".join)


@each_command
def test_every_command_and_option_has_help(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert command.help
    assert all(parameter.help for parameter in command.params)
    shown = run(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"Usage: root {' '.join(words)}")


@each_leaf
def test_every_command_has_an_example_that_parses(words: tuple[str, ...]) -> None:
    (example,) = [line for line in LEAVES[words].help.splitlines() if line.startswith("Example: ")]
    program, *arguments = shlex.split(example.removeprefix("Example: "))
    assert program == "fingerprinter"
    after = next(n for n in range(len(arguments)) if tuple(arguments[n : n + len(words)]) == words)
    LEAVES[words].make_context(words[-1], arguments[after + len(words) :])


@each_leaf
def test_every_command_stands_in_the_documentation(words: tuple[str, ...]) -> None:
    command = re.compile(rf"`(fingerprinter )?{' '.join(words)}\b")
    assert any(command.search(page.read_text(encoding="utf-8")) for page in PAGES)


@each_command
def test_help_begins_with_one_plain_sentence(words: tuple[str, ...]) -> None:
    first, *rest = COMMANDS[words].help.splitlines()
    assert first.endswith(".")
    assert len(first) <= 72
    assert not rest or rest[0] == ""


@each_leaf
def test_every_command_prints_json(words: tuple[str, ...]) -> None:
    always = {("monitor",), ("serve",)}  # one prints nothing else, the other answers over HTTP
    options = [option for parameter in LEAVES[words].params for option in parameter.opts]
    assert "--json" in options or words in always


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "no-such-command",
        "index",
        "index --jobs 0 x",
        "identify --no-such-option",
        "identify --min-confidence 1.5 x",
        "similar 1 -n ten",
        "db",
    ],
)
def test_wrong_usage_ends_with_2(arguments: str) -> None:
    result = run(app, arguments.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AudioError("a.mp3: empty"), 1),
        (UsageError("a.m3u8: No such file or directory"), 2),
        (UnknownTrackError("no track 9 in this library"), 3),
        (LibraryError("music.db: locked"), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_users_mistake_is_one_line(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_failing(error, monkeypatch)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr == f"error: {error}\n"


def test_an_interrupt_prints_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_failing(KeyboardInterrupt(), monkeypatch)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    bug = ZeroDivisionError("division by zero")
    assert run_failing(bug, monkeypatch).exception is bug


def run_failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(collection, "open_library", fail)
    return run(app, ["list"])


@pytest.mark.parametrize(
    "line",
    [["index", ""], ["--db", "", "stats"], ["similar", "1", "--m3u="], ["identify", "", "a"]],
)
def test_an_empty_argument_is_refused_in_one_line(line: list[str]) -> None:
    result = run(app, line)
    assert result.exit_code == 2
    assert result.stderr == "error: '': an empty argument; is a variable of the shell not set?\n"


@pytest.mark.parametrize("text", ["music", "{}", '{"seed": 1}', "[1]"])
def test_evaluate_replaces_only_results(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    for name in ("identify", "similarity", "duplicates"):
        result = run(app, ["evaluate", name, "--output", str(file)])
        assert result.exit_code == 2
        assert "no result of `evaluate`" in " ".join(result.stderr.split())
    assert file.read_text() == text
    file.write_text('{"seed": 1, "params_id": null, "corpus": ""}')
    result = run(app, ["evaluate", "identify", "no-such", "--output", str(file)])
    assert "no result of `evaluate`" not in result.stderr


def test_the_version_is_that_of_the_package() -> None:
    assert run(app, ["--version"]).stdout.startswith("fingerprinter 0.")


@given(st.floats(-1e5, 1e5))
def test_positions_are_rounded_to_tenths(seconds: float) -> None:
    minutes, rest = text.position(seconds).removeprefix("-").split(":")
    assert len(rest) == 4
    assert 0 <= float(rest) < 60
    assert 60 * int(minutes) + float(rest) == pytest.approx(abs(seconds), abs=0.0501)


def test_only_real_changes_of_tempo_and_pitch_are_named() -> None:
    assert text.change(MATCH) == ""
    assert text.change(replace(MATCH, tempo=1.04)) == "tempo +4.0 %"
    assert text.change(replace(MATCH, tempo=0.95, pitch=1.0594)) == "tempo -5.0 %, pitch +5.9 %"
    assert text.change(replace(MATCH, tempo=1.0002, pitch=0.9998)) == ""


def test_a_track_without_a_title_is_named_by_its_file() -> None:
    untitled = replace(TRACK, title=None, artist=None)
    assert text.label(TRACK) == "Singer - Song"
    assert text.label(untitled) == "song"
    assert text.label(replace(untitled, path=None)) == "track 7"


def test_records_have_the_keys_of_the_interface() -> None:
    track = track_record(TRACK)
    assert json.loads(json.dumps(track)) == track
    assert " ".join(track) == (
        "id path title artist album track_number year genre duration_s content_id mbid added_at"
        " album_artist disc_number isrc label cover codec bit_rate sample_rate_hz channels"
        " start_s end_s"
    )
    assert track["added_at"] == "2026-01-02T03:04:05+00:00"
    match = match_record(MATCH)
    assert match["track"] == track
    assert " ".join(match) == (
        "track score confidence offset_s clip_start_s clip_end_s tempo pitch"
    )
    report = report_record(IndexReport(failed=1, problems=(Problem("a", "a: empty"),)))
    assert " ".join(report) == (
        "indexed updated skipped failed removed replaced copies audio_s elapsed_s left_out"
    )


@given(st.text(st.characters()))
def test_json_is_ascii_and_keeps_every_name(name: str) -> None:
    printed = printed_by(print_json, {"path": name})
    assert printed.isascii()
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"path": name}


@given(st.lists(st.tuples(st.text(st.characters()), st.text()), min_size=1, max_size=5))
def test_a_table_has_one_line_for_each_row_and_no_markup(rows: list[tuple[str, str]]) -> None:
    columns = [Column("name"), Column("value", "right", folds=False)]
    header, *lines = printed_by(print_table, columns, rows).splitlines()
    assert header.split() == ["name", "value"]
    assert len(lines) == len(rows)
    for line, (name, value) in zip(lines, rows, strict=True):
        assert line.startswith(printable(name).rstrip())
        assert line.endswith(printable(value).rstrip())


def test_a_long_table_is_printed_in_pages() -> None:
    printed = printed_by(print_table, [Column("n")], ([str(n)] for n in range(450)))
    lines = printed.splitlines()
    assert lines.count("n") == 3
    assert [line.strip() for line in lines if line != "n"] == [str(n) for n in range(450)]


def test_a_table_that_fits_the_terminal_looks_as_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [Column("clip"), Column("position", "right", folds=False), Column("title")]
    rows = [["a.wav", "1:02", "漢字 [b]"], ["a long name.wav ", "12:00:01", ""]]
    print_table(columns, rows)
    piped = capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # headings are bold on others
    print_table(columns, rows)
    assert capsys.readouterr().out == piped
    assert piped.splitlines()[1:] == [
        "a.wav                 1:02  漢字 [b]",
        "a long name.wav   12:00:01",
    ]


def printed_by(function: Any, *arguments: Any) -> str:
    """What a function writes to stdout."""
    program = typer.Typer()

    @program.command()
    def command() -> None:
        function(*arguments)

    return str(run(program, []).stdout)


def test_a_playlist_leaves_out_files_that_it_cannot_name(tmp_path: Path) -> None:
    latin1 = replace(TRACK, id=8, path="/music/caf\udce9.ogg", title="Two\nlines", artist=None)
    unnamable = [replace(TRACK, path=None), replace(TRACK, path="/music/a\nb.ogg")]
    target = tmp_path / "list.m3u8"
    assert write_playlist(target, [TRACK, *unnamable, latin1]) == unnamable
    assert target.read_bytes() == (
        b"#EXTM3U\n#EXTINF:83,Singer - Song\n/music/song.ogg\n"
        b"#EXTINF:83,Two\\nlines\n/music/caf\xe9.ogg\n"
    )


def test_the_summary_of_index_counts_files_by_outcome() -> None:
    report = IndexReport(indexed=3, failed=1, audio_s=3725, elapsed_s=10.0)
    assert collection.index_summary(report) == (
        "3 indexed, 0 updated, 0 skipped, 1 failed: 1:02:05 of audio in 10.0 s (372 x real time)"
    )
    assert ", 1 failed, 2 removed: " in collection.index_summary(replace(report, removed=2))


def test_the_summary_of_index_says_what_was_left_out() -> None:
    report = IndexReport(left_out={".jpg": 12, "hidden": 2})
    assert collection.left_out_summary(report) == "left out: 12 .jpg, 2 hidden"
    many = IndexReport(left_out={f".{i}": 1 for i in range(9)})
    assert collection.left_out_summary(many).endswith(", 1 .5 and 3 other kinds")


def test_no_progress_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown_progress("looking", progress.index_progress) as on_progress:
        on_progress(Progress(done=1, total=2, audio_s=30.0, elapsed_s=1.0))
    assert capsys.readouterr() == ("", "")


def test_a_track_list_shows_where_in_the_clip_each_match_plays() -> None:
    found = Recognition(9.0, [MATCH], None, [replace(MATCH, confidence=0.5)])
    results = [ClipResult("radio.wav", found, 0.1)]
    text = printed_by(lambda: identify.print_results(results, all_matches=True))
    assert [line.split() for line in text.splitlines()] == [
        ["clip", "from", "to", "title", "artist", "in", "the", "track", "confidence", "changed"],
        ["radio.wav", "0:01.5", "0:09.0", "Song", "Singer", "0:00.0", "0.999"],
        ["or", "0:01.5", "0:09.0", "Song", "Singer", "0:00.0", "0.500"],
    ]
    nothing = [replace(results[0], recognition=Recognition(9.0, [], None))]
    text = printed_by(lambda: identify.print_results(nothing, all_matches=False))
    assert [line.split() for line in text.splitlines()] == [
        ["clip", "title", "artist", "position", "confidence", "changed"],
        ["radio.wav", "no", "match"],
    ]


def test_a_track_list_is_written_for_other_programs() -> None:
    track = replace(TRACK, title='"=Two\nlines"', artist=None, path="/music/=a.ogg")
    second = replace(MATCH, track=track, clip_start_s=61.5, clip_end_s=3700.0)
    result = ClipResult("radio.mp3", Recognition(3700.0, [MATCH, second], None), 0.1)
    assert track_list([result], TrackListFormat.CUE).splitlines() == [
        'FILE "radio.mp3" MP3',
        "  TRACK 01 AUDIO",
        '    TITLE "Song"',
        '    PERFORMER "Singer"',
        "    INDEX 01 00:01:37",
        "  TRACK 02 AUDIO",
        "    TITLE \"'=Two\\nlines'\"",
        "    INDEX 01 01:01:37",
    ]
    assert track_list([result], TrackListFormat.LABELS).splitlines()[0] == (
        "1.500000\t9.000000\tSinger - Song"
    )
    assert track_list([result], TrackListFormat.TEXT).splitlines()[0] == "0:02 Singer - Song"
    header, first, other = csv.reader(track_list([result], TrackListFormat.CSV).splitlines())
    assert dict(zip(header, first, strict=True))["position_s"] == "0.0"
    row = dict(zip(header, other, strict=True))
    assert (row["title"], row["start_s"]) == ('"=Two\\nlines"', "61.5")


def test_the_library_may_be_named_after_the_command_and_help_is_a_word(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    for line in (["--db", str(missing), "list"], ["list", "--db", str(missing)],
                 ["list", f"--db={missing}"]):  # fmt: skip
        assert "missing.db" in run(app, line).stderr
    assert run(app, ["search", "--", "--db"]).exit_code != 0
    assert run(app, ["help", "list"]).stdout == run(app, ["list", "--help"]).stdout
    assert run(app, ["help"]).stdout == run(app, ["--help"]).stdout


def test_the_help_without_arguments_has_lines() -> None:
    assert "\\n" not in run(app, []).stderr
    assert "\\n" not in run(app, ["db"]).stderr


@each_leaf
def test_usage_shows_where_several_arguments_are_taken(words: tuple[str, ...]) -> None:
    for parameter in LEAVES[words].params:
        if parameter.param_type_name == "argument" and parameter.nargs != 1:
            assert parameter.metavar.endswith("..."), parameter.name
