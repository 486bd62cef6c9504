"""The command line: parses, calls the library, prints.

stdout is data, stderr is talk; `--json` prints one object a line.
"""

from fingerprinter.cli.app import app, main

__all__ = ["app", "main"]
