"""Runs migrations within the transaction of the caller, `store.engine.migration`."""

from __future__ import annotations

from alembic import context

from fingerprinter.store.tables import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    transactional_ddl=True,  # SQLite too: the transaction is begun explicitly
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
