"""The program `fingerprinter`: its commands, its global options and how it ends."""

from __future__ import annotations

import errno
import sys
from importlib import import_module, metadata
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from fingerprinter.cli.common.options import PLAIN
from fingerprinter.cli.common.output import abandon_stdout, complain, emit, prepare_streams
from fingerprinter.errors import FingerprinterError

_INTERRUPTED = 130  # 128 + SIGINT, as shells count


# Where each command is, in the order of the help. Only the one that is wanted is loaded, with what
# it needs of the library: `identify` starts without what belongs to the others.
_COMMANDS = {
    "index": "collection.index",
    "identify": "identify.identify",
    "recommend": "recommend.recommend",
    "search": "search.search",
    "similar": "similar.similar",
    "path": "path.path",
    "clusters": "clusters.clusters",
    "map": "clusters.map_",
    "duplicates": "duplicates.duplicates",
    "analyze": "analyze.analyze",
    "separate": "separate.separate",
    "plot": "plot.plot",
    "list": "collection.list_tracks",
    "show": "collection.show",
    "remove": "collection.remove",
    "stats": "collection.stats",
    "reindex": "collection.reindex",
    "verify": "verify.verify",
    "export": "transfer.export",
    "import": "transfer.import_file",
    "db": "db.app",
    "evaluate": "evaluate.app",
}


class _Commands(TyperGroup):
    """Loads a command when it is wanted, and ends it: a user's mistake in one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast(Any, dict.fromkeys(_COMMANDS))  # names alone, for suggestions

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(".")
        found = getattr(import_module(f"fingerprinter.cli.commands.{module}"), attribute)
        command = typer.main.get_command(found if isinstance(found, typer.Typer) else _alone(found))
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FingerprinterError as error:
            complain(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            complain(f"interrupted{interrupt}")
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(cls=_Commands, no_args_is_help=True, **PLAIN)


def _alone(function: Any) -> typer.Typer:
    """A program of one command."""
    program = typer.Typer(add_completion=False, **PLAIN)
    program.command()(function)
    return program


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
