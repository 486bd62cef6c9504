"""`evaluate peers`: the same clips, identified by audfprint and Olaf."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.commands.evaluate_identify import print_conditions
from fingerprinter.cli.common.evaluation import Outside, Seed
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import print_json, print_line
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import IdentifyReport
    from fingerprinter.evaluation.peers import Peer


def peers(
    ctx: typer.Context,
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONDITION...",
            help="Names, or how they begin, as in `evaluate identify`. Default: sixteen.",
            show_default=False,
        ),
    ] = None,
    audfprint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The script audfprint.py.")
    ] = None,
    python: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The Python that runs audfprint. Default: the Python of this program.",
            show_default=False,
        ),
    ] = sys.executable,
    olaf: Annotated[str | None, typer.Option(metavar="FILE", help="The program olaf.")] = None,
    clips: Annotated[int, typer.Option(min=1, metavar="N", help="Clips of each condition.")] = 20,
    seed: Seed = 0,
    outside: Outside = None,
    as_json: AsJson = False,
) -> None:
    """Compare `identify` with audfprint and Olaf on the same clips.

    Draws the clips that `evaluate identify` draws, and prints its table for this program and for
    each peer that is named. The peers are yours to install.

    Example: fingerprinter evaluate peers clean-5s --audfprint ~/audfprint/audfprint.py --olaf olaf
    """
    from fingerprinter.evaluation import (
        CONDITIONS,
        QUICK,
        IdentifyPlan,
        evaluate_identify,
        select,
    )
    from fingerprinter.evaluation.peers import Audfprint, Olaf, draw_plan, evaluate_peer

    if audfprint is None and olaf is None:
        raise UsageError("no peer to compare with; name one with --audfprint or --olaf")
    if olaf is not None and shutil.which(olaf) is None:
        raise UsageError(f"{olaf}: no such program; name it with its folder")
    chosen = select(conditions, CONDITIONS) if conditions else QUICK
    plan = IdentifyPlan(conditions=chosen, clips=clips, seed=seed, outside=outside or ())
    reports: dict[str, IdentifyReport] = {}
    with open_library(ctx.obj, create=False, read_only=True) as library:
        reports["fingerprinter"] = evaluate_identify(library, plan)
        drawn = draw_plan(library, plan)
        for name in ("audfprint", "olaf"):
            with tempfile.TemporaryDirectory(prefix="fingerprinter-") as place:
                peer: Peer
                if name == "olaf" and olaf is not None:
                    peer = Olaf(olaf, Path(place))
                elif name == "audfprint" and audfprint is not None:
                    peer = Audfprint(audfprint, python, Path(place))
                else:
                    continue
                reports[name] = evaluate_peer(peer, plan, library, drawn, Path(place))
    if as_json:
        print_json({name: report.to_json() for name, report in reports.items()})
        return
    for name, report in reports.items():
        print_line(name)
        print_conditions(report.conditions)
