"""``python -m fingerprinter``."""

from fingerprinter.cli import main

main()
