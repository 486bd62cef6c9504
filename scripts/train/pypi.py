"""Packages from PyPI whose files are taken without installing them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path


def unpack_wheel(package: str, sha256: str, folder: Path) -> None:
    """Downloads the wheel of a package, `name==version`, checks it, and unpacks it into a folder.

    Ends the script with one line where it is another file than the one that is expected.
    """
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
    subprocess.run([*download, "--dest", folder], check=True)
    (wheel,) = folder.glob("*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{wheel.name}: SHA-256 {found}, not {sha256}; do not use this file")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def copy_licence(licence: Path, target: Path) -> None:
    """Copies the text of a licence without blank lines around it."""
    text = licence.read_text(encoding="utf-8").strip() + "\n"
    target.write_text(text, encoding="utf-8")
