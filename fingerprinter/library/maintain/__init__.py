"""Verification and repair, export and import, and statistics of a library."""
