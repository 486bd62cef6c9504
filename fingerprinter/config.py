"""Run-time settings: the default library, the cache folder, the number of workers, the text model.

None of them changes what is stored. What decides stored data is in the parameters and the model
of a library, and every library names both.

Each setting comes from the first of these that names it: an option of the command line or an
argument of `open_library`, an environment variable, the user's configuration file, a default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fingerprinter.audio.small_file import read_small_file
from fingerprinter.errors import UsageError

CONFIG_VARIABLE = "FINGERPRINTER_CONFIG"
_KINDS: dict[str, tuple[type, str]] = {  # type of each key, and how a message describes it
    "library": (str, 'a file or an address in quotes: "~/Music/library.db"'),
    "folders": (list, 'a list of folders in quotes: ["~/Music"]'),
    "cache": (str, 'a folder in quotes: "~/.cache/fingerprinter"'),
    "text_model": (str, 'a folder in quotes: "~/models/clap"'),
    "jobs": (int, "a number of worker processes, 1 to 1024: 2"),
    "serve": (dict, "a table: [serve] on a line of its own"),
}


@dataclass(frozen=True, slots=True)
class UserConfig:
    """The user's defaults, as a configuration file names them.

    Attributes
    ----------
    library : str or None
        Address of the default library.
    folders : tuple of Path
        What `index` searches if no path is given.
    cache, text_model : Path or None
        See `Settings`.
    jobs : int or None
        See `Settings`.
    serve : mapping
        The table ``[serve]``, unchecked. The server knows its keys.
    """

    library: str | None = None
    folders: tuple[Path, ...] = ()
    cache: Path | None = None
    text_model: Path | None = None
    jobs: int | None = None
    serve: Mapping[str, Any] = field(default_factory=dict)


def config_path() -> Path:
    """Return the path of the configuration file, which need not exist.

    Returns
    -------
    Path
        The environment variable ``FINGERPRINTER_CONFIG``, else ``config.toml`` in the user's
        folder for configuration.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(os.path.expanduser(named)) if named else user_folder("config") / "config.toml"


def read_config() -> UserConfig:
    """Read the user's configuration file.

    Relative paths in it start at the folder of the file, and ``~`` is the home folder.

    Returns
    -------
    UserConfig
        Empty if there is no file, unless ``FINGERPRINTER_CONFIG`` names it.

    Raises
    ------
    UsageError
        If the file cannot be read, is no TOML, or has a key or value that is not known.
    """
    path = config_path()
    try:
        text = read_small_file(path).decode("utf-8")
    except FileNotFoundError:
        if os.environ.get(CONFIG_VARIABLE):
            raise UsageError(f"{path}: no such file; {CONFIG_VARIABLE} names it") from None
        return UserConfig()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UsageError(f"{path}: {reason}; correct it or remove it") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> UserConfig:
    """Parse the text of a configuration file.

    Parameters
    ----------
    text : str
        The file in TOML.
    path : Path
        Where it lies: for messages, and as the start of relative paths.

    Raises
    ------
    UsageError
        If it is no TOML, or has a key or value that is not known.

    Examples
    --------
    >>> parsed = parse_config('library = "music.db"\\njobs = 2', Path("/home/me/config.toml"))
    >>> parsed.library, parsed.jobs, parsed.folders
    ('/home/me/music.db', 2, ())
    """
    import tomllib

    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of many digits
        raise UsageError(f"{path}: no TOML: {error}; correct it or remove it") from error
    for key, value in values.items():
        if key not in _KINDS:
            raise UsageError(f"{path}: {key}: no such key; there are {', '.join(_KINDS)}")
        kind, described = _KINDS[key]
        fits = type(value) is kind
        if fits and isinstance(value, list):
            fits = all(isinstance(each, str) for each in value)
        if not fits or (isinstance(value, int) and not 1 <= value <= 1024):
            raise UsageError(f"{path}: {key} = {_shown(value)}; write {described}")

    def located(name: str) -> Path:
        return path.parent / os.path.expanduser(name)

    located_paths = {
        key: located(values[key]) for key in ("cache", "text_model") if values.get(key)
    }
    library = values.get("library")
    return UserConfig(
        library=str(located(library)) if library and "://" not in library else library,
        folders=tuple(map(located, values.get("folders", []))),
        jobs=values.get("jobs"),
        serve=values.get("serve", {}),
        **located_paths,
    )


def _shown(value: Any) -> str:
    """Return the beginning of a value for a message; its text may have megabytes."""
    try:
        return repr(value)[:80]
    except ValueError:  # a number of more digits than Python writes
        return "a number of thousands of digits"


@dataclass(frozen=True, slots=True)
class Settings:
    """Run-time settings of a library.

    Parameters
    ----------
    cache : Path
        Folder of derived files. Default: the user's cache folder.
    jobs : int
        Number of worker processes that analyse audio. Default: one for each core.
    text_model : Path or None
        Folder of the text-audio model for `search`; ``None`` searches by tags.
    """

    cache: Path
    jobs: int
    text_model: Path | None

    @classmethod
    def of(cls, config: UserConfig) -> Settings:
        """Complete the user's configuration with environment variables and defaults."""
        cache = os.environ.get("FINGERPRINTER_CACHE") or config.cache or user_folder("cache")
        text_model = os.environ.get("FINGERPRINTER_TEXT_MODEL") or config.text_model
        # The process may be confined to fewer cores than the machine has.
        confined = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if confined else os.cpu_count() or 1
        return cls(Path(cache), config.jobs or cores, Path(text_model) if text_model else None)


def user_folder(kind: Literal["config", "data", "cache"]) -> Path:
    """Return the user's folder for one kind of files, as the platform defines it."""
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("fingerprinter", appauthor=False))
