"""Commands about the database: the version of its schema, and the servers that it lies on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import PLAIN, AsJson
from fingerprinter.cli.common.output import Column, complain, emit, print_json, print_table
from fingerprinter.library import Library, SchemaStatus, open_library, schema_status, upgrade_schema
from fingerprinter.store.tables.shards import Shard

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The library's database: its schema, its servers.",
    **PLAIN,
)


@app.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Brings the schema to this program's version.

    Makes the library where there is none; keeps all that is in one.

    Example: fingerprinter --db music.db db upgrade
    """
    _show(upgrade_schema(ctx.obj), as_json)


@app.command()
def current(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows the version of the schema.

    Example: fingerprinter db current
    """
    _show(schema_status(ctx.obj), as_json)


def _show(status: SchemaStatus, as_json: bool) -> None:
    if as_json:
        print_json(asdict(status))
    else:
        emit(f"{status.address}: schema {status.revision or 'none'}, {_verdict(status)}\n")


def _verdict(status: SchemaStatus) -> str:
    if status.revision == status.head:
        return "up to date"
    return f"this program needs {status.head}; run `fingerprinter db upgrade`"


@app.command()
def spread(
    ctx: typer.Context,
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="URL", help="A PostgreSQL database on each server."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Spreads the landmarks of a PostgreSQL library over several servers.

    The library's own server asks the others (postgres_fdw): both it and this program
    need to reach them by these URLs. A later spread replaces an earlier one, `db gather`
    undoes it. Without a URL: what each server has.

    Example: fingerprinter db spread postgresql://me:secret@db2/shard postgresql://me:secret@db3/shard
    """
    with open_library(ctx.obj, create=False) as library:
        left = library.spread(urls) if urls else []
        _show_shares(library, as_json)
    _complain_of(left)


@app.command()
def gather(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Brings the landmarks back from all servers into the library's own database.

    Example: fingerprinter db gather
    """
    with open_library(ctx.obj, create=False) as library:
        left = library.spread([])
        _show_shares(library, as_json)
    _complain_of(left)


def _show_shares(library: Library, as_json: bool) -> None:
    found = library.shares()
    if as_json:
        for share in found:
            print_json(asdict(share))
    elif found:
        columns = [Column("server"), Column("blocks", "right"), Column("size", "right")]
        print_table(columns, map(_share_row, found))
    else:
        emit("the landmarks lie in the library's own database\n")


def _share_row(share: Shard) -> list[str]:
    return [share.server, f"{share.blocks:,}", text.megabytes(share.bytes)]


def _complain_of(left: list[str]) -> None:
    for line in left:
        complain(line)
    if left:
        raise typer.Exit(1)
