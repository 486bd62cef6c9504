"""Everything that the program writes to stdout and stderr.

All text that a terminal may show passes through ``printable``: names of files and tags come from
strangers, and a control character or a change of the writing direction in them could rewrite the
screen. JSON is plain ASCII and needs no such care.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import typer

from fingerprinter.core.printable import printable

_BROKEN_PIPE_STATUS = 141  # 128 + SIGPIPE, as shells count
_PAGE_ROWS = 200  # rows that share one layout, so that a long table starts at once

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    title : str
        Heading of the column.
    justify : {"left", "right"}
        Alignment of its cells.
    folds : bool
        Whether a long cell may take several lines where the terminal is narrow.
    """

    title: str
    justify: Literal["left", "right"] = "left"
    folds: bool = True


def prepare_streams() -> None:
    """Make the standard streams safe to write to, even if the caller has closed them."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, _null_stream())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # stderr has this by default


def _null_stream() -> io.TextIOWrapper:
    """Open the null device on the free descriptor, so that child processes inherit it there."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(descriptor, True)
    return open(descriptor, "r+" if descriptor == 0 else "w", encoding="utf-8")  # noqa: PTH123


def print_line(line: str = "") -> None:
    """Print one line of text to stdout, with every unsafe character escaped."""
    _write(printable(line) + "\n")


def emit(text: str) -> None:
    """Print text of any number of lines to stdout, with every unsafe character but breaks escaped.

    For text in which a line break is always meant: foreign names in it are escaped already. Tabs
    stay.
    """
    _write("\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n")))


def print_message(message: object) -> None:
    """Print one line to stderr (an error, a warning, a note), with unsafe characters escaped."""
    typer.echo(printable(str(message)), err=True)


def print_part_read(name: str, problem: str) -> None:
    """Print to stderr which audio was read only in part, and what of it could not be decoded."""
    print_message(f"{name}: read only in part: {problem}")


def print_json(record: dict[str, Any]) -> None:
    r"""Print one object on one line of ASCII; bytes that are no Unicode appear as ``\udcXX``."""
    _write(json.dumps(record, allow_nan=False) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Print rows under headings, page by page, with unsafe characters escaped.

    Parameters
    ----------
    columns : sequence of Column
        The columns from left to right, at least one. Headings are printed if the first has one.
    rows : iterable of sequence of str
        One cell for each column. Without rows nothing is printed, not even the headings.
    """
    lines = _folded_lines if sys.stdout.isatty() else _whole_lines
    safe_rows = ([printable(cell) for cell in row] for row in rows)
    while page := list(islice(safe_rows, _PAGE_ROWS)):
        for line in lines(columns, page):
            _write(f"{line.rstrip()}\n")


def _folded_lines(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table that fits the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=bool(columns[0].title))
    for column in columns:
        table.add_column(
            column.title, justify=column.justify, no_wrap=not column.folds, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))  # Text: [] is no markup
    lines = io.StringIO()
    Console(file=lines, force_terminal=True).print(table)
    yield from lines.getvalue().splitlines()


def _whole_lines(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table that goes to no terminal: one for each row, of any width.

    Loading Rich for them would take a twentieth of the time of `identify`.
    """
    from rich.cells import cell_len

    head = [[column.title for column in columns]] if columns[0].title else []
    cells = [*head, *rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = []
        for column, cell, width in zip(columns, row, widths, strict=True):
            space = " " * (width - cell_len(cell))
            padded.append(space + cell if column.justify == "right" else cell + space)
        yield "  ".join(padded)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line, with unsafe characters escaped."""
    print_table([Column("", folds=False), Column("")], fields)


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> Iterator[str]:
    r"""Yield the lines of a CSV file, without line breaks and with unsafe characters escaped.

    A text that a spreadsheet would run as a formula begins with an apostrophe.

    Examples
    --------
    >>> list(csv_lines(["title", "year"], [["=1+1", 1999], ["a, b\n", -3]]))
    ['title,year', "'=1+1,1999", '"a, b\\n",-3']
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="")
    for row in (header, *rows):
        writer.writerow([_csv_cell(cell) if isinstance(cell, str) else cell for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _csv_cell(text: str) -> str:
    return printable(f"'{text}" if text.startswith(("=", "+", "-", "@")) else text)


def discard_stdout() -> None:
    """Send what is left in the buffer to the null device, so that Python ends without an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(text: str) -> None:
    """Write to stdout at once; end the program quietly if nobody reads it any more."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        raise typer.Exit(_BROKEN_PIPE_STATUS) from None
