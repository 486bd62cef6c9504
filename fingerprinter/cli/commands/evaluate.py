"""The group of commands `evaluate`: how well the program works on the user's own music."""

from __future__ import annotations

import typer

from fingerprinter.cli.commands.evaluate_analysis import analysis
from fingerprinter.cli.commands.evaluate_duplicates import duplicates
from fingerprinter.cli.commands.evaluate_identify import identify
from fingerprinter.cli.commands.evaluate_paths import paths
from fingerprinter.cli.commands.evaluate_peers import peers
from fingerprinter.cli.commands.evaluate_recommend import recommend
from fingerprinter.cli.commands.evaluate_render_versions import render_versions
from fingerprinter.cli.commands.evaluate_similarity import similarity
from fingerprinter.cli.commands.evaluate_track_list import track_list
from fingerprinter.cli.commands.evaluate_versions import versions
from fingerprinter.cli.common.options import PLAIN

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Measure how well the program works on your own music.",
    **PLAIN,
)

app.command()(identify)
app.command(name="track-list")(track_list)
app.command()(duplicates)
app.command()(similarity)
app.command()(recommend)
app.command()(paths)
app.command()(peers)
app.command()(analysis)
app.command()(versions)
app.command(name="render-versions")(render_versions)
