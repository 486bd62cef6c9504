"""Many rows at once, by the fastest way that each database has."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, event, insert

from fingerprinter.store.tables.schema import posting_block
from fingerprinter.store.tables.shards import is_sharded

# PostgreSQL manual, COPY, "Binary Format": signature, flags, length of an extension; then for
# each row the number of fields, and for each field its length before it; -1 ends.
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_ROW = struct.Struct("!hiqi")  # two fields: 8 bytes of id, and so many bytes of data
_END = struct.pack("!h", -1)
_COPY = "COPY posting_block (id, data) FROM STDIN (FORMAT binary)"
_INSERT = "INSERT INTO posting_block (id, data) VALUES (?, ?)"
_FED = "fingerprinter_copied"  # execution option: the bytes that a COPY reads


def insert_blocks(connection: Connection, ids: Sequence[int], blocks: Sequence[bytes]) -> None:
    """Writes posting blocks; PostgreSQL takes them by COPY, see `docs/databases.md`.

    But for a library that is spread: up to PostgreSQL 15 COPY sends another server row by row
    what INSERT sends in batches.
    """
    rows = list(zip(ids, blocks, strict=True))
    if connection.dialect.name == "sqlite":  # as the driver has it: half of SQLAlchemy's time
        connection.exec_driver_sql(_INSERT, rows)
    elif not is_sharded(connection):
        connection.exec_driver_sql(_COPY, execution_options={_FED: copied(rows)})
    else:
        connection.execute(insert(posting_block), [{"id": id_, "data": data} for id_, data in rows])


def allow_copy(engine: Engine) -> None:
    """Lets a statement of a PostgreSQL engine read from memory.

    As an event within SQLAlchemy's execution, so that what fails is reported like all else.
    """
    event.listen(engine, "do_execute", _fed)


def _fed(cursor: Any, statement: str, _: object, context: Any) -> bool:
    """Whether the statement has been executed here."""
    data = context.execution_options.get(_FED)
    if data is not None:
        cursor.copy_expert(statement, io.BytesIO(data))
    return data is not None


def copied(rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Rows of (id, bytes) as PostgreSQL's binary COPY has them.

    >>> copied([(1, b"ab")])[19:].hex(" ")
    '00 02 00 00 00 08 00 00 00 00 00 00 00 01 00 00 00 02 61 62 ff ff'
    """
    body = (part for id_, data in rows for part in (_ROW.pack(2, 8, id_, len(data)), data))
    return b"".join([_HEAD, *body, _END])
