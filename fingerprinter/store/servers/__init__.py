"""Posting lists that are sharded over several PostgreSQL servers."""
