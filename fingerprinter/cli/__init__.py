"""The command line: parse the arguments, call the library, print the result.

Data goes to stdout and everything else to stderr. With `--json` each line of stdout is one object.
"""

from fingerprinter.cli.app import app, main

__all__ = ["app", "main"]
