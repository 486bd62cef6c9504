"""Integrity checks, export archives and sizes."""
