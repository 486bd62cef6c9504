"""Run the command line with ``python -m fingerprinter``."""

from fingerprinter.cli import main

main()
