"""MkDocs hook: writes the reference of commands and of the database schema from the code.

A page asks for it with ``<!-- generate: commands -->`` or ``<!-- generate: schema -->``. The text
is made at each build, so that it cannot be stale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

MARKER = re.compile(r"<!-- generate: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page before it is rendered."""
    return MARKER.sub(lambda found: GENERATORS[found[1]](), markdown)


def commands() -> str:
    """Usage, description, arguments and options of every command."""
    return "\n".join(section(words, command) for words, command in leaves())


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its words, in the order of the help."""
    import typer

    from fingerprinter.cli import app

    yield from below((), typer.main.get_command(app))


def below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    for name in command.list_commands(None):
        yield from below((*words, name), command.get_command(None, name))


def section(words: tuple[str, ...], command: Any) -> str:
    """One command as Markdown: what `--help` says of it, in tables."""
    import typer

    context = typer.Context(command, info_name=" ".join(["fingerprinter", *words]))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"## {' '.join(words)}\n\n```\n{usage}\n```\n\n{prose(command.help)}\n\n"
    for kind in ("argument", "option"):
        records = [
            each.get_help_record(context)
            for each in command.params
            if each.param_type_name == kind and not each.hidden
        ]
        if records:
            rows = "".join(f"| `{name}` | {escaped(meaning)} |\n" for name, meaning in records)
            text += f"| {kind} | meaning |\n| --- | --- |\n{rows}\n"
    return text


def prose(help_text: str) -> str:
    """The help with its example as a code block."""
    before, _, example = help_text.partition("Example: ")
    text = before.strip().replace("<", "&lt;")
    return f"{text}\n\n```\n{' '.join(example.split())}\n```" if example else text


def escaped(meaning: str) -> str:
    """A text as a cell of a table."""
    return " ".join(meaning.split()).replace("|", "\\|").replace("<", "&lt;")


def schema() -> str:
    """Every table with its columns, from the SQLAlchemy metadata."""
    from fingerprinter.store.tables.schema import SCHEMA_HEAD, metadata

    tables = [f"Schema revision `{SCHEMA_HEAD}`.\n"]
    for each in metadata.sorted_tables:
        rows = [
            f"| `{column.name}` | {type_name(column.type)} | {notes(column)} |\n"
            for column in each.columns
        ]
        heading = "| column | type | notes |\n| --- | --- | --- |\n"
        tables.append(f"## {each.name}\n\n{heading}{''.join(rows)}")
    return "\n".join(tables)


def type_name(kind: Any) -> str:
    return str(getattr(kind, "impl_instance", kind))


def notes(column: Any) -> str:
    """Key, references, uniqueness and whether the column may be empty."""
    keys = [f"references `{key.target_fullname}`" for key in column.foreign_keys]
    words = ["primary key"] * column.primary_key + keys + ["unique"] * bool(column.unique)
    if column.nullable:
        words.append("may be NULL")
    return ", ".join(words)


GENERATORS: dict[str, Callable[[], str]] = {"commands": commands, "schema": schema}
