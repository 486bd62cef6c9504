"""Commands about the version of the database's schema."""

from __future__ import annotations

from dataclasses import asdict

import typer

from fingerprinter.cli.options import AsJson
from fingerprinter.cli.output import emit, print_json
from fingerprinter.library import SchemaStatus, schema_status, upgrade_schema

app = typer.Typer(no_args_is_help=True, help="The version of the library's database schema.")


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
