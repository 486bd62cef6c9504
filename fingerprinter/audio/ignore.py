"""Rules that leave files and folders out of a search, in the syntax of .gitignore files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fingerprinter.audio.small_file import read_small_file
from fingerprinter.core.printable import printable
from fingerprinter.errors import UsageError
from fingerprinter.types import Problem

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".fingerprinterignore"

# The time to match a long name grows with this power of its length, and strangers can choose both.
_STARS = re.compile(r"\*+")
_PART_STARS, _STARS_MAX = 3, 5


class IgnoreRules:
    """The rules of a search: globs for every folder, and those of the files in the folders.

    As with Git, a file `.fingerprinterignore` counts for its folder and all below it, the rules of
    a deeper one win, and `!` takes a file in again. A folder that is left out is not searched.

    Parameters
    ----------
    root : Path
        The folder that is searched. Rules of folders above it do not count.
    globs : sequence of str
        More rules, as in an ignore file of the root. They win over those of files.
    on_problem : callable
        Receives a `Problem` for each ignore file that cannot be understood; its rules do not count.

    Raises
    ------
    UsageError
        If a glob cannot be understood.
    """

    def __init__(
        self,
        root: Path,
        globs: Sequence[str] = (),
        on_problem: Callable[[Problem], None] = lambda _: None,
    ) -> None:
        self._root, self._on_problem = root, on_problem
        try:
            self._given = _parse(globs) if globs else None
        except ValueError as error:
            raise UsageError(f"--exclude: {error}; write globs as in a .gitignore file") from error
        self._of_folder: dict[Path, GitIgnoreSpec | None] = {}

    def leaves_out(self, path: Path, *, is_folder: bool) -> bool:
        """Return whether the rules leave out a file or folder below the root."""
        rules = [(self._root, self._given)]
        folder = path.parent
        while True:
            rules.append((folder, self._rules_in(folder)))
            if folder in (self._root, folder.parent):
                break
            folder = folder.parent
        for base, spec in rules:
            if spec is not None:
                name = path.relative_to(base).as_posix() + ("/" if is_folder else "")
                left_out = spec.check_file(name).include
                if left_out is not None:
                    return left_out
        return False

    def _rules_in(self, folder: Path) -> GitIgnoreSpec | None:
        """Return the rules of a folder's ignore file; None if it has none."""
        if folder not in self._of_folder:
            file = folder / IGNORE_FILE
            self._of_folder[folder] = None
            try:
                data = read_small_file(file)
                text = data.decode("utf-8", "surrogateescape")
                self._of_folder[folder] = _parse(text.splitlines())
            except (FileNotFoundError, IsADirectoryError):
                pass
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                message = f"{printable(str(file))}: {reason}; its rules were not used"
                self._on_problem(Problem(str(file), message))
        return self._of_folder[folder]


def _parse(lines: Sequence[str]) -> GitIgnoreSpec:
    """Parse rules; raises `ValueError` if one cannot be understood, or takes too long to match."""
    from pathspec import GitIgnoreSpec

    for line in lines:
        of_parts = [len(_STARS.findall(part)) for part in line.split("/")]
        if not line.startswith("#") and (max(of_parts) > _PART_STARS or sum(of_parts) > _STARS_MAX):
            raise ValueError(
                f"{printable(line[:40])}: more than {_PART_STARS} asterisks between two slashes,"
                f" or {_STARS_MAX} in all"
            )
    try:
        with warnings.catch_warnings():  # of the regular expressions that globs become
            warnings.simplefilter("ignore")
            return GitIgnoreSpec.from_lines(lines)
    except re.error as error:  # of the expression that a glob becomes
        raise ValueError(f"no glob ({error.msg})") from error
