"""The parameters of a request, from its address and its form."""

from __future__ import annotations

from collections.abc import Iterable

from fingerprinter.server.subsonic.answers import Code, SubsonicError


class Parameters:
    """The parameters of a request; of one that is repeated, the last counts.

    Parameters
    ----------
    pairs : iterable of (name, value)
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values = {
            name: value.replace("\0", "") for name, value in pairs
        }  # no database takes it

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return a parameter; None if it is missing."""
        return self._values.get(name)

    def required(self, name: str) -> str:
        """Return a parameter.

        Raises
        ------
        SubsonicError
            If it is missing or empty.
        """
        value = self._values.get(name)
        if not value:
            raise SubsonicError(Code.MISSING_PARAMETER, f"the parameter {name} is missing")
        return value

    def number(self, name: str, default: int, highest: int) -> int:
        """Return a number from 0 to ``highest``; a larger one counts as ``highest``.

        Raises
        ------
        SubsonicError
            If the parameter is no such number.
        """
        value = self._values.get(name) or str(default)
        if not (value.isascii() and value.isdigit()):
            raise SubsonicError(Code.GENERIC, f"{name}={value[:50]!r}: write a whole number from 0")
        return min(int(value[:18]), highest)

    def year(self, name: str) -> int | None:
        """Return a year; None if it is missing. Raises an error as `number` does."""
        return self.number(name, 0, 9999) if self._values.get(name) else None
