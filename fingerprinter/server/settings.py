"""Settings of the service: where it listens, who may use it, and its limits."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address
from typing import Any, Self

from fingerprinter.config import UserConfig
from fingerprinter.errors import UsageError

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]_-]*")  # file:// is one
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of the service.

    Attributes
    ----------
    library : str or None
        Address of the library; None for the default one.
    read_only : bool
        Whether the library is only read. Then there are no jobs.
    host, port
        Where the service listens.
    hosts : tuple of str
        Names under which clients reach the service, in addition to loopback names and ``host``.
    origins : tuple of str
        Origins of pages of other sites that may use ``/rest/``, such as ``https://player.example``.
    root_path : str
        Path under which a reverse proxy serves it, such as ``/music``.
    proxies : str
        Addresses of proxies whose ``X-Forwarded`` headers are believed, comma-separated.
    workers : int
        Number of server processes.
    guests : bool
        Whether people without the token may search and listen.
    folders : tuple of str
        Folders that jobs may index. With none, a job may index any folder.
    watch : bool
        Whether what changes in ``folders`` is indexed.
    prune : bool
        Whether watching forgets files that are gone.
    upload_bytes, upload_s, clip_s
        Largest upload, the seconds in which it must arrive, and the seconds of it that are used.
    mix_bytes, mix_s
        Largest upload of which every recording is asked for, and the seconds in which it must
        arrive. All of it is used.
    token_digest : str or None
        SHA-256 of the token as hexadecimal digits; None if no token is needed.
    log : "text" or "json"
        Form of the log.
    stations : tuple of str
        Sources that are listened to from the start, each with or without a name:
        ``NAME=ADDRESS``.
    private_streams : bool
        Whether clients may add stations at addresses of a private network.
    warm_up : bool
        Whether to load at the start what the first requests would load.
    run_folder : str
        Folder that the processes of one service share while it runs; empty if there is one process.
    """

    library: str | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    root_path: str = ""
    proxies: str = "127.0.0.1"
    workers: int = 1
    guests: bool = False
    folders: tuple[str, ...] = ()
    watch: bool = False
    prune: bool = False
    upload_bytes: int = 32 * 1024 * 1024
    upload_s: float = 120.0
    clip_s: float = 120.0
    mix_bytes: int = 512 * 1024 * 1024
    mix_s: float = 1800.0
    token_digest: str | None = None
    log: str = "text"
    stations: tuple[str, ...] = ()
    private_streams: bool = False
    warm_up: bool = True
    run_folder: str = ""
    read_only: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only programs of this computer can reach the service."""
        return is_loopback(self.host) and not self.hosts

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that the ``Host`` header of a request may have, in lower case."""
        return frozenset(name.lower() for name in (*_LOOPBACK_NAMES, self.host, *self.hosts))

    def to_json(self) -> str:
        """Return all settings as text, for the worker processes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the settings that `to_json` wrote."""
        return cls(**_with_tuples(json.loads(text)))


def configured(config: UserConfig) -> ServerSettings:
    """Return the settings that the user's configuration file names.

    Its table ``[serve]`` holds attributes of `ServerSettings`; ``folders`` are those of the file.

    Raises
    ------
    UsageError
        If a key or value in ``[serve]`` is not known.
    """
    kinds = {each.name: type(each.default) for each in fields(ServerSettings)}
    known = sorted(set(kinds) - {"library", "folders", "token_digest", "run_folder"})
    for name, value in config.serve.items():
        if name not in known:
            raise UsageError(f"[serve] {name}: no such key; there are {', '.join(known)}")
        kind = kinds[name]
        if kind is tuple:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        else:
            fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            wanted = "a list of text" if kind is tuple else kind.__name__
            raise UsageError(f"[serve] {name} = {value!r}; write a value of the type {wanted}")
    folders = tuple(map(str, config.folders))
    return ServerSettings(folders=folders, **_with_tuples(dict(config.serve)))


def check_origins(settings: ServerSettings) -> None:
    """Check that the allowed origins are written as browsers write them.

    Raises
    ------
    UsageError
        If one is no origin. ``*`` and ``null`` stand for pages of anybody and are none.

    Examples
    --------
    >>> check_origins(ServerSettings(origins=("https://player.example", "http://localhost:4533")))
    """
    for origin in settings.origins:
        if not _ORIGIN.fullmatch(origin):
            raise UsageError(
                f"--allow-origin {origin}: no origin; write it as https://player.example,"
                " in lower case and without a path"
            )


def is_loopback(host: str) -> bool:
    """Whether an address or name means this computer only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(item) if isinstance(item, list) else item for key, item in values.items()}
