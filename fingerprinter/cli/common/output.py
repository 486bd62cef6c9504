"""What goes to stdout and stderr, and what happens where they cannot take it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import typer

from fingerprinter.audio.source import printable

if TYPE_CHECKING:
    from rich.table import Table

_READER_GONE = 141  # 128 + SIGPIPE, as shells count
_ENDLESS = 100_000  # columns of a line that no terminal ends
_PAGE_ROWS = 200  # laid out together: the first rows of a long table appear at once

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Column:
    """Of a table; one that `folds` takes several lines where the terminal is narrow."""

    title: str
    justify: Literal["left", "right"] = "left"
    folds: bool = True


def prepare_streams() -> None:
    """Makes the standard streams safe to write to, whatever the caller did to them."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, _nowhere())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it from the start


def _nowhere() -> io.TextIOWrapper:
    """A stream to and from nowhere; child processes inherit it in the place that was free."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(descriptor, True)
    return open(descriptor, "r+" if descriptor == 0 else "w", encoding="utf-8")  # noqa: PTH123


def emit(text: str) -> None:
    """Writes data to stdout at once; ends the program quietly where nobody reads it any more."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_stdout()
        raise typer.Exit(_READER_GONE) from None


def abandon_stdout() -> None:
    """What is left in the buffer goes nowhere, so that Python has nothing to say at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: object) -> None:
    """One line to stderr."""
    typer.echo(printable(str(message)), err=True)


def print_json(record: dict[str, Any]) -> None:
    r"""One object on one line, in ASCII: names that are no Unicode stay whole, as ``\udcXX``."""
    emit(json.dumps(record, allow_nan=False) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Rows under headings, page by page; nothing where there are no rows."""
    for page in _pages(rows):
        emit(_rendered(_table(columns, page)))


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, a line each."""
    print_table([Column("", folds=False), Column("")], fields)


def _pages(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while page := list(islice(rest, _PAGE_ROWS)):
        yield page


def _rendered(table: Table) -> str:
    """As wide as the terminal; a line a row where there is none."""
    from rich.console import Console

    at_terminal = sys.stdout.isatty()
    lines = io.StringIO()
    width = None if at_terminal else _ENDLESS
    Console(file=lines, force_terminal=at_terminal, width=width).print(table)
    return "".join(f"{line.rstrip()}\n" for line in lines.getvalue().splitlines())


def _table(columns: Sequence[Column], rows: Iterable[Row]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=any(column.title for column in columns))
    for column in columns:
        table.add_column(
            column.title, justify=column.justify, no_wrap=not column.folds, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))  # Text: [brackets] are no markup
    return table
