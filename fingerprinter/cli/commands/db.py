"""The `db` commands: the version of the schema, and the servers that hold the landmarks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import PLAIN, AsJson
from fingerprinter.cli.common.output import (
    Column,
    print_json,
    print_line,
    print_message,
    print_table,
)
from fingerprinter.library import Library, SchemaStatus, open_library, schema_status, upgrade_schema

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Manage the library's database: schema and servers.\n\nExample: fingerprinter db current",
    **PLAIN,
)


@app.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Upgrade the schema to the version of this program.

    Creates the library if there is none. An existing library keeps all its data.

    Example: fingerprinter --db music.db db upgrade
    """
    _show_status(upgrade_schema(ctx.obj), as_json)


@app.command()
def current(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the version of the schema.

    Example: fingerprinter db current
    """
    _show_status(schema_status(ctx.obj), as_json)


def _show_status(status: SchemaStatus, as_json: bool) -> None:
    if as_json:
        print_json(asdict(status))
        return
    if status.revision == status.head:
        verdict = "up to date"
    else:
        verdict = f"this program needs {status.head}; run `fingerprinter db upgrade`"
    print_line(f"{status.address}: schema {status.revision or 'none'}, {verdict}")


@app.command()
def shard(
    ctx: typer.Context,
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="URL...", help="A PostgreSQL database on each server."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Distribute the landmarks over several PostgreSQL servers.

    The server of the library reads the other servers through postgres_fdw. Both that server
    and this program must reach them by these URLs. Running it again with other URLs moves the
    landmarks there, and `db unshard` brings them back. Without a URL, shows how many blocks
    each server holds.

    Example: fingerprinter db shard postgresql://me:secret@db2/shard postgresql://me:secret@db3/shard
    """
    with open_library(ctx.obj, create=False) as library:
        leftovers = library.shard(urls) if urls else []
        _show_shards(library, as_json)
    _report_leftovers(leftovers)


@app.command()
def unshard(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the landmarks back into the library's own database.

    Example: fingerprinter db unshard
    """
    with open_library(ctx.obj, create=False) as library:
        leftovers = library.unshard()
        _show_shards(library, as_json)
    _report_leftovers(leftovers)


def _show_shards(library: Library, as_json: bool) -> None:
    """Print how many blocks and bytes each server holds."""
    shards = library.shards()
    if as_json:
        for each in shards:
            print_json(asdict(each))
    elif shards:
        columns = [Column("server"), Column("blocks", "right"), Column("size", "right")]
        rows = ([each.server, f"{each.blocks:,}", text.megabytes(each.bytes)] for each in shards)
        print_table(columns, rows)
    else:
        print_line("the landmarks are in the library's own database")


def _report_leftovers(leftovers: list[str]) -> None:
    """Name what could not be deleted on other servers, and end with status 1 if there is any."""
    for line in leftovers:
        print_message(line)
    if leftovers:
        raise typer.Exit(1)
