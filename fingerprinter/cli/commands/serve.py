"""The command `serve`: the HTTP API and the web page."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import print_json, print_line, print_message
from fingerprinter.config import read_config
from fingerprinter.errors import ReadOnlyError, UsageError
from fingerprinter.library import open_library
from fingerprinter.library.indexing.watch import check_watchfiles

if TYPE_CHECKING:
    from fingerprinter.server.settings import ServerSettings


def serve(
    ctx: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address to listen at. Default: 127.0.0.1."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen at. Default: 8765.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A name under which clients reach this service; repeatable."
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Let players that are pages of this origin use /rest/: https://player.example; "
            "repeatable.",
        ),
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Path under which a reverse proxy serves it: /music."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="Server processes. Default: 1.")
    ] = None,
    folder: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="A folder that jobs may index; repeatable."),
    ] = None,
    watch: Annotated[
        bool | None,
        typer.Option("--watch", help="Index what changes in the folders that jobs may index."),
    ] = None,
    guests: Annotated[
        bool | None,
        typer.Option("--guests", help="Let people without the token search and listen."),
    ] = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make a new token. The old one stops working.")
    ] = False,
    app_password: Annotated[
        bool,
        typer.Option(
            "--app-password",
            help="Make a new password for music players (OpenSubsonic), and print it once.",
        ),
    ] = False,
    log: Annotated[
        Literal["text", "json"] | None, typer.Option(help="Form of the log. Default: text.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the library to browsers and programs.

    Without options it can be reached from this computer only, and needs no token. Another address
    or --allow-host demands a token: it is made and printed once. The API is described at /docs.

    Example: fingerprinter serve
    """
    try:
        from fingerprinter.server.run import serve as run
        from fingerprinter.server.settings import check_origins, configured
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed, and the service needs it;"
            ' `pip install "fingerprinter[server]"`'
        ) from error
    options: dict[str, Any] = {
        "library": ctx.obj,
        "host": host,
        "port": port,
        "hosts": tuple(allow_host or ()) or None,
        "origins": tuple(allow_origin or ()) or None,
        "root_path": root_path,
        "workers": workers,
        "folders": tuple(folder or ()) or None,
        "watch": watch,
        "guests": guests,
        "log": log,
    }
    given = {name: value for name, value in options.items() if value is not None}
    settings = replace(configured(read_config()), **given)
    check_origins(settings)
    if settings.watch and not settings.folders:
        hint = "--folder names them, or `folders` in config.toml"
        raise UsageError(f"there are no folders to watch; {hint}")
    if settings.watch:
        check_watchfiles()
    for served in settings.folders:
        if not os.path.isdir(os.path.expanduser(served)):
            print_message(f"{served}: no such folder now; is its disk mounted?")
    settings = _settings_of_access(settings)
    _check_port(settings)  # before a new token or password replaces that of a running service
    token, digest = _token(settings, new_token)
    password = _make_app_password(settings) if app_password else None
    url = f"http://{settings.host}:{settings.port}{settings.root_path}/"
    if as_json:
        print_json({"url": url, "token": token, "app_password": password})
    else:
        print_message(f"serving {url}")
    if token and not as_json:
        print_message("the token of this service, which is shown only once:")
        print_line(token)
    if password and not as_json:
        print_message("the password of music players (any user name), which is shown only once:")
        print_line(password)
    run(replace(settings, token_digest=digest))


def _settings_of_access(settings: ServerSettings) -> ServerSettings:
    """Return settings that say whether the library can only be read. A missing one is made."""
    if settings.read_only:
        return settings
    try:
        with open_library(settings.library) as library:
            library.service.check_writable()
    except ReadOnlyError as error:
        if settings.watch:
            raise
        print_message(f"{error}; until then the service answers and changes nothing")
        return replace(settings, read_only=True)
    return settings


def _check_port(settings: ServerSettings) -> None:
    """Refuse an address at which this computer cannot listen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
            probe.bind((settings.host, settings.port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot listen at {settings.host}, port {settings.port}: {reason};"
            " --host and --port name another address"
        ) from None


def _token(settings: ServerSettings, new: bool) -> tuple[str | None, str | None]:
    """Return the token if one was made, and the digest of the token that is needed, if any."""
    from fingerprinter.server.access import new_token, token_digest

    with open_library(settings.library, read_only=settings.read_only) as library:
        stored = library.service.access_digest
        if not new and (stored or settings.is_local):
            return None, stored
        token = new_token()
        library.service.access_digest = token_digest(token)
    return token, token_digest(token)


def _make_app_password(settings: ServerSettings) -> str:
    """Return a new password for players; an earlier one stops working."""
    from fingerprinter.server.subsonic.login import new_app_password

    password = new_app_password()
    with open_library(settings.library, read_only=settings.read_only) as library:
        library.service.app_password = password
    return password
