"""The program `fingerprinter`: its commands, its global options and its exit status."""

from __future__ import annotations

import atexit
import errno
import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from fingerprinter.cli.common.options import PLAIN
from fingerprinter.cli.common.output import (
    discard_stdout,
    prepare_streams,
    print_line,
    print_message,
)
from fingerprinter.core.printable import printable
from fingerprinter.errors import FingerprinterError, UsageError

_EMPTY_VALUE = re.compile(r"--[\w-]+=")  # an option whose value is empty
_FIRST_COLLECTION = 100_000  # objects; loading the modules of a command makes fewer
_INTERRUPTED_STATUS = 130  # 128 + SIGINT, as shells count
# Wrong usage of the command line. Typer exports no name for this class.
_CommandLineError = cast(type[Exception], typer.BadParameter.__base__)

# Module and function of each command, in the order of the help. A run imports only the module of
# its own command, because imports are most of the time that a short command takes.
_COMMANDS = {
    "index": "collection.index",
    "identify": "identify.identify",
    "monitor": "monitor.monitor",
    "recommend": "recommend.recommend",
    "search": "search.search",
    "similar": "similar.similar",
    "versions": "versions.versions",
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
    "serve": "serve.serve",
    "reindex": "collection.reindex",
    "verify": "verify.verify",
    "export": "transfer.export",
    "import": "transfer.import_file",
    "db": "db.app",
    "evaluate": "evaluate.app",
}


class _LazyCommands(TyperGroup):
    """Loads a command when it is needed, and turns a user's mistake into one line of text."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast(Any, dict.fromkeys(_COMMANDS))  # names only, for suggestions

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(".")
        found = getattr(import_module(f"fingerprinter.cli.commands.{module}"), attribute)
        if not isinstance(found, typer.Typer):  # a function: make a program of this one command
            program = typer.Typer(add_completion=False, **PLAIN)
            program.command()(found)
            found = program
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the line; `help COMMAND` and an option --db after the command are allowed too."""
        end = args.index("--") if "--" in args else len(args)
        words = args[:end]
        library: list[str] = []
        for place in reversed(range(len(words))):
            if words[place] == "--db" or words[place].startswith("--db="):
                length = 2 if words[place] == "--db" else 1
                library = [*words[place : place + length], *library]
                del words[place : place + length]
        if words[:1] == ["help"]:
            words = [*words[1:], "--help"]
        if "" in args or any(_EMPTY_VALUE.fullmatch(word) for word in words):
            # As a path it would be the current folder.
            print_message("error: '': an empty argument; is a variable of the shell not set?")
            raise typer.Exit(UsageError.exit_code)
        with _printable_usage_errors():
            return super().parse_args(ctx, [*library, *words, *args[end:]])

    def invoke(self, ctx: Any) -> Any:
        try:
            with _printable_usage_errors():
                return super().invoke(ctx)
        except FingerprinterError as error:
            print_message(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            print_message(f"interrupted{interrupt}")
            raise typer.Exit(_INTERRUPTED_STATUS) from None


@contextmanager
def _printable_usage_errors() -> Iterator[None]:
    """Escape unsafe characters in errors that Typer prints later, with the usage of the command."""
    try:
        yield
    except _CommandLineError as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # its message is the help, in many lines
            vars(error)["message"] = printable(vars(error)["message"])
        raise


app = typer.Typer(cls=_LazyCommands, no_args_is_help=True, **PLAIN)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print_line(f"fingerprinter {metadata.version('fingerprinter')}")
        raise typer.Exit


@app.callback()
def _global_options(
    ctx: typer.Context,
    db: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The library: a file, or an SQLAlchemy URL of SQLite or PostgreSQL. "
            "Default: $FINGERPRINTER_DB, else as in config.toml, else a file in your data folder.",
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
    """Identify recorded clips of your music, and find tracks that sound similar.

    Start with `index`, which adds your music to a library. `fingerprinter help COMMAND` explains
    a command. --db may also stand after the command.

    Example: fingerprinter index ~/Music
    """
    ctx.obj = db


def _collect_late() -> None:
    """Look for garbage neither while modules are loaded nor at the end of the program.

    There is none then, and each time Python would look through all objects: a quarter of the time
    of `identify`.
    """
    usual = gc.get_threshold()

    def resume(*_: object) -> None:
        gc.callbacks.remove(resume)
        gc.set_threshold(*usual)

    gc.callbacks.append(resume)
    gc.set_threshold(_FIRST_COLLECTION)
    atexit.register(gc.freeze)


def main() -> None:
    """Run the program and exit with its status."""
    _collect_late()
    prepare_streams()
    try:
        app(prog_name="fingerprinter")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        discard_stdout()  # stdout may be what is full
        print_message(f"error: {error.strerror}; free some space and run the command again")
        sys.exit(1)
