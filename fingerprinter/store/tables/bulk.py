"""Inserts many posting blocks at once, in the fastest way of each database."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, event, insert

from fingerprinter.store.tables.schema import posting_block
from fingerprinter.store.tables.shards import is_sharded

# PostgreSQL manual, COPY, "Binary Format": signature, flags and length of an extension. Then the
# number of fields for each row, and the length before each field. -1 ends the data.
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_ROW = struct.Struct("!hiqi")  # two fields: 8 bytes of id, and the length of the data
_END = struct.pack("!h", -1)
_COPY = "COPY posting_block (id, data) FROM STDIN (FORMAT binary)"
_INSERT = "INSERT INTO posting_block (id, data) VALUES (?, ?)"
_COPY_DATA = "fingerprinter_copied"  # execution option: the bytes that a COPY reads


def insert_blocks(connection: Connection, ids: Sequence[int], blocks: Sequence[bytes]) -> None:
    """Insert posting blocks. PostgreSQL uses COPY, see `docs/databases.md`.

    A sharded library uses INSERT instead. Up to PostgreSQL 15, COPY sends rows to another server
    one by one, and INSERT sends them in batches.
    """
    rows = list(zip(ids, blocks, strict=True))
    if connection.dialect.name == "sqlite":  # SQL of the driver: half of SQLAlchemy's time
        connection.exec_driver_sql(_INSERT, rows)
    elif not is_sharded(connection):
        connection.exec_driver_sql(_COPY, execution_options={_COPY_DATA: encode_copy(rows)})
    else:
        connection.execute(insert(posting_block), [{"id": id_, "data": data} for id_, data in rows])


def allow_copy(engine: Engine) -> None:
    """Let a COPY statement of a PostgreSQL engine read from memory.

    This is an event of SQLAlchemy's execution, so errors are reported like all others.
    """
    event.listen(engine, "do_execute", _execute_copy)


def _execute_copy(cursor: Any, statement: str, _: object, context: Any) -> bool:
    """Execute a statement that has data to copy. True if it did."""
    data = context.execution_options.get(_COPY_DATA)
    if data is not None:
        cursor.copy_expert(statement, io.BytesIO(data))
    return data is not None


def encode_copy(rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Encode rows of (id, data) in the binary format of PostgreSQL's COPY.

    >>> encode_copy([(1, b"ab")])[19:].hex(" ")
    '00 02 00 00 00 08 00 00 00 00 00 00 00 01 00 00 00 02 61 62 ff ff'
    """
    body = (part for id_, data in rows for part in (_ROW.pack(2, 8, id_, len(data)), data))
    return b"".join([_HEAD, *body, _END])
