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
    """One command as Markdown."""
    name = " ".join(words)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join(["fingerprinter", name, "[OPTIONS]", *(shown(each) for each in arguments)])
    text = f"## {name}\n\n```\n{usage}\n```\n\n{prose(command.help)}\n\n"
    if rows := [(f"`{shown(each)}`", each) for each in arguments]:
        text += table("argument", rows)
    return text + table("option", [(f"`{spelled(each)}`", each) for each in options])


def prose(help_text: str) -> str:
    """The help with its example as a code block."""
    before, _, example = help_text.partition("Example: ")
    text = before.strip().replace("<", "&lt;")
    return f"{text}\n\n```\n{' '.join(example.split())}\n```" if example else text


def shown(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def spelled(option: Any) -> str:
    """The names of an option and the word for its value."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    return f"{names} {option.metavar or word_for(option.type)}"


def word_for(kind: Any) -> str:
    """The choices of an option, or N for a number."""
    if hasattr(kind, "choices"):
        return "|".join(str(getattr(each, "value", each)) for each in kind.choices)
    return "N" if "int" in kind.name else str(kind.name).upper()


def table(title: str, rows: list[tuple[str, Any]]) -> str:
    lines = [f"| {title} | meaning | default |", "| --- | --- | --- |"]
    for name, parameter in rows:
        meaning = " ".join((parameter.help or "").split()).replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| {name.replace('|', '&#124;')} | {meaning} | {default(parameter)} |")
    return "\n".join(lines) + "\n\n"


def default(parameter: Any) -> str:
    """The default, unless the help leaves it out, as it does with what differs by computer."""
    value = parameter.default
    simple = isinstance(value, int | float | str) and not isinstance(value, bool)
    return f"`{value}`" if simple and parameter.show_default else ""


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
