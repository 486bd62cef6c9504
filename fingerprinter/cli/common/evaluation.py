"""What the two evaluations have in common: how a report is shown, what a share looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from fingerprinter.cli.common.output import print_json


class _EvaluationReport(Protocol):
    """The report of an evaluation that may have been ended early."""

    @property
    def interrupted(self) -> bool: ...

    def to_json(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=_EvaluationReport)


def show_report(report: R, print_report: Callable[[R], None], done: str, *, as_json: bool) -> None:
    """Prints it; raises `KeyboardInterrupt` where it was ended early.

    done: of how much it is, "the 12 clips that were done"
    """
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if report.interrupted:
        raise KeyboardInterrupt(f": {done} are counted")


def percent(share: float | None) -> str:
    """Nothing where there was nothing to count.

    >>> percent(0.125)
    '12.5 %'
    """
    return "" if share is None else f"{100 * share:.1f} %"
