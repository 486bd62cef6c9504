"""The program `fingerprinter`: its commands, its global options and how it ends."""

from __future__ import annotations

import errno
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fingerprinter.cli import (
    analyze,
    collection,
    duplicates,
    evaluate,
    evaluate_similarity,
    groups,
    path,
    plot,
    questions,
    recommend,
    schema,
    search,
    separate,
    similar,
    transfer,
    verify,
)
from fingerprinter.cli.output import abandon_stdout, complain, emit, prepare_streams
from fingerprinter.errors import FingerprinterError

_INTERRUPTED = 130  # 128 + SIGINT, as shells count


class _Commands(TyperGroup):
    """Ends every command: a user's mistake in one line, a bug with its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FingerprinterError as error:
            complain(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            complain(f"interrupted{interrupt}")
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts faster and survives a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"fingerprinter {metadata.version('fingerprinter')}\n")
        raise typer.Exit


@app.callback()
def _global_options(
    ctx: typer.Context,
    db: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The library: a file, or an SQLAlchemy URL of SQLite or PostgreSQL. "
            "Default: $FINGERPRINTER_DB, else a file in the user's data folder.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Names any recorded clip of your music collection, and finds what sounds like it."""
    ctx.obj = db


app.command()(collection.index)
app.command()(questions.identify)
app.command()(recommend.recommend)
app.command()(search.search)
app.command()(similar.similar)
app.command()(path.path)
app.command()(groups.clusters)
app.command("map")(groups.map_)
app.command()(duplicates.duplicates)
app.command()(analyze.analyze)
app.command()(separate.separate)
app.command()(plot.plot)
app.command("list")(collection.list_tracks)
app.command()(collection.show)
app.command()(collection.remove)
app.command()(collection.stats)
app.command()(collection.reindex)
app.command()(verify.verify)
app.command()(transfer.export)
app.command("import")(transfer.import_file)
app.add_typer(schema.app, name="db")
evaluate.app.command()(evaluate_similarity.similarity)
app.add_typer(evaluate.app, name="evaluate")


def main() -> None:
    """Runs the program and exits."""
    prepare_streams()
    try:
        app(prog_name="fingerprinter")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        abandon_stdout()  # it may be what is full
        complain(f"error: {error.strerror}; free some space and run the command again")
        sys.exit(1)
