"""The boundary at which stored values become Python values: each is checked when it is read.

SQLite stores any value in any column, and a damaged or crafted file may hold what this program
never wrote. Every column of `fingerprinter.store.tables.schema` is read through `Checked`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    String,
    type_coerce,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from fingerprinter.errors import CorruptionError

# Types of SQL, what the drivers return for them, and how a message names that.
_KINDS: Final[tuple[tuple[type, tuple[type, ...], str], ...]] = (
    (LargeBinary, (bytes, memoryview), "bytes"),
    (String, (str,), "text"),
    (Integer, (int,), "a whole number"),
    (Float, (float, int), "a number"),
    (DateTime, (str, datetime), "a time"),
)
_NAMES: Final = {str: "text", int: "a whole number", float: "a number", type(None): "nothing"}
_YEARS: Final = range(1900, 9999)  # conversion to another time zone fails at the ends of the range


class Checked(TypeDecorator[Any]):
    """A column whose values are checked when they are read.

    Parameters
    ----------
    wrapped
        The type of the column.
    name
        Table and column, for messages.
    nullable
        Whether a value may be missing.

    Raises
    ------
    CorruptionError
        On reading a value that is of another type, an infinite number, or no time.
    """

    impl = String
    cache_ok = True

    def __init__(self, wrapped: TypeEngine[Any], name: str, *, nullable: bool) -> None:
        self.wrapped, self.name, self.nullable = wrapped, name, nullable
        super().__init__()
        self.impl = wrapped  # type: ignore[assignment]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return the function that checks a value of the driver and converts it."""
        convert = self.wrapped.dialect_impl(dialect).result_processor(dialect, coltype)
        kind = self.wrapped.impl if isinstance(self.wrapped, TypeDecorator) else self.wrapped
        kinds = ((drivers, named) for sql, drivers, named in _KINDS if isinstance(kind, sql))
        allowed, expected = next(kinds)

        def check(value: Any) -> Any:
            if value is None and self.nullable:
                return None
            if not isinstance(value, allowed):
                found = _NAMES.get(type(value), "bytes")
                raise damaged(f"{self.name} holds {found} instead of {expected}")
            try:
                result = value if convert is None else convert(value)
            except (ValueError, TypeError, OverflowError):
                raise damaged(f"{self.name} holds a value that is not {expected}") from None
            if isinstance(result, float) and not math.isfinite(result):
                raise damaged(f"{self.name} holds an infinite number")
            if isinstance(result, datetime) and result.year not in _YEARS:
                raise damaged(f"{self.name} holds the year {result.year}")
            return result

        return check


def or_missing(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a `Checked` column of a row that may be missing, as in an outer join."""
    kind = column.type
    assert isinstance(kind, Checked)
    return type_coerce(column, Checked(kind.wrapped, kind.name, nullable=True))


def damaged(found: str) -> CorruptionError:
    """Return the error for stored data that cannot be right.

    >>> print(damaged("segment 3 holds no tracks"))
    the library is damaged: segment 3 holds no tracks; run `fingerprinter verify`
    """
    return CorruptionError(f"the library is damaged: {found}; run `fingerprinter verify`", found)


def unpack_numbers(data: bytes, stored: np.dtype[Any], thing: str) -> npt.NDArray[Any]:
    """Decode packed numbers.

    Parameters
    ----------
    data
        The stored bytes.
    stored
        Type of the numbers.
    thing
        What the bytes are, for the message.

    Raises
    ------
    CorruptionError
        If the bytes are no whole number of them, or a number is infinite or not a number.

    Examples
    --------
    >>> unpack_numbers(bytes([1, 0, 2, 0]), np.dtype("<i2"), "the numbers of track 1")
    array([1, 2], dtype=int16)
    """
    if len(data) % stored.itemsize:
        raise damaged(f"{thing} have an odd length of {len(data)} bytes")
    values = np.frombuffer(data, stored)
    if stored.kind == "f" and not np.isfinite(values).all():
        raise damaged(f"{thing} hold a value that is not a number")
    return values
