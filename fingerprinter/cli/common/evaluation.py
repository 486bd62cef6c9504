"""Options of the evaluations, and how reports and rates are printed."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from fingerprinter.audio.small_file import read_small_file
from fingerprinter.cli.common.output import Column, emit, print_json
from fingerprinter.errors import UsageError

if TYPE_CHECKING:
    from fingerprinter.evaluation import Mean, Provenance, Rate

Seed = Annotated[int, typer.Option(min=0, help="The same seed draws the same music.")]
Sources = Annotated[
    list[Path] | None,
    typer.Option("--from", metavar="PATH", help="Draw from these files and folders only."),
]
Outside = Annotated[
    list[Path] | None,
    typer.Option(metavar="PATH", help="Music that the library does not hold."),
]
Groups = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Files of the same recording: a group a line, tabs between."),
]
_RESULT_KEYS = {"seed", "params_id", "corpus"}  # of every result that an evaluation writes
_MAX_RESULT_BYTES = 1 << 28


def _replaceable(path: Path | None) -> Path | None:
    """Return the file to write to; raises an error if a file is there that is no result."""
    if path is None:
        return None
    try:
        data = read_small_file(path, _MAX_RESULT_BYTES)
        found = json.loads(data) if data else dict.fromkeys(_RESULT_KEYS)
    except FileNotFoundError:
        return path
    except OSError as error:
        if error.errno == errno.EINVAL:
            return path  # a device or a pipe, which holds nothing
        raise typer.BadParameter(f"{path}: {error.strerror}; name another file") from error
    except (ValueError, RecursionError):
        found = {}
    if not (isinstance(found, dict) and found.keys() >= _RESULT_KEYS):
        raise typer.BadParameter(
            f"{path}: there is a file that is no result of `evaluate`; name another, or remove it"
        )
    return path


OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE.json",
        help="Also write the result to a file; an earlier result there is replaced.",
        callback=_replaceable,
    ),
]


class _EvaluationReport(Protocol):
    """The report of an evaluation that may have been ended early."""

    @property
    def interrupted(self) -> bool: ...

    def to_json(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=_EvaluationReport)


def show_report(
    report: R,
    print_report: Callable[[R], None],
    done: str,
    *,
    as_json: bool,
    output: Path | None = None,
) -> None:
    """Print a report and write it to a file.

    Parameters
    ----------
    report
        What was found.
    print_report
        Prints it as tables.
    done
        How much it covers, as in "the 12 clips that were done".
    as_json
        Print one JSON object instead of tables.
    output
        Also write the JSON object here, indented.

    Raises
    ------
    KeyboardInterrupt
        If the evaluation was ended early.
    UsageError
        If the file cannot be written.
    """
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if output is not None:
        text = json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n"
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output}: {error.strerror}; name another file") from error
    if report.interrupted:
        raise KeyboardInterrupt(f": {done} are counted")


def percent(share: float | None) -> str:
    """A share in percent; nothing where there was nothing to count.

    >>> percent(0.125)
    '12.5 %'
    """
    return "" if share is None else f"{100 * share:.1f} %"


def interval(measure: Rate | Mean) -> str:
    """The 95 % interval of a share, in percent."""
    low, high = measure.interval
    return f"{100 * low:.1f} - {100 * high:.1f}"


def table_columns(first: str, titles: Sequence[str]) -> list[Column]:
    """A column of names, and columns of numbers that stay on one line."""
    return [
        Column(first, folds=False),
        *(Column(title, "right", folds=False) for title in titles),
    ]


def print_origin(seed: int, origin: Provenance) -> None:
    """One line that says what the figures hold for."""
    emit(
        f"seed {seed}, parameters {origin.params_id}, music {origin.corpus}"
        f" ({origin.tracks} tracks), {origin.commit or origin.version},"
        f" {origin.machine.cpu} ({origin.machine.cores} cores)\n"
    )
