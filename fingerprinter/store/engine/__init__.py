"""Connections, transactions, migrations and database errors."""
