"""Output that the two `evaluate` commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from fingerprinter.cli.common.output import print_json


class _EvaluationReport(Protocol):
    """The report of an evaluation that may have been interrupted."""

    @property
    def interrupted(self) -> bool: ...

    def to_json(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=_EvaluationReport)


def show_report(report: R, print_report: Callable[[R], None], done: str, *, as_json: bool) -> None:
    """Print a report.

    Parameters
    ----------
    report : R
        The result of an evaluation.
    print_report : callable
        Prints the report as tables.
    done : str
        How much was evaluated, such as "the 12 clips that were done".
    as_json : bool
        Print one JSON object instead of tables.

    Raises
    ------
    KeyboardInterrupt
        After printing, if the evaluation was interrupted.
    """
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if report.interrupted:
        raise KeyboardInterrupt(f": the report covers {done}")


def percent(share: float | None) -> str:
    """Format a share as a percentage, or as nothing if there was nothing to count.

    >>> percent(0.125)
    '12.5 %'
    """
    return "" if share is None else f"{100 * share:.1f} %"
