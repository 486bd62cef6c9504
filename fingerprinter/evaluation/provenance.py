"""Provenance of figures: version, commit, parameters, machine and music."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fingerprinter.library import Library
from fingerprinter.types import Track

_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor, and the number of cores that this process may use."""

    cpu: str
    cores: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where figures come from.

    Attributes
    ----------
    params_id
        Id of the landmark parameters of the library; ``None`` if it is empty.
    policy_id
        Id of the search policy that decided the answers.
    corpus
        Digest of all content ids, 16 hex digits. The same music has the same digest.
    tracks
        Number of tracks in the library.
    version
        Version of the package; ``None`` if it runs without being installed.
    commit
        Commit of the checkout, with ``-dirty`` after a change; ``None`` outside a checkout.
    machine
        On which times were measured.
    """

    params_id: str | None
    corpus: str
    tracks: int
    version: str | None
    commit: str | None
    machine: Machine
    policy_id: str

    @classmethod
    def of(cls, library: Library, tracks: Sequence[Track]) -> Provenance:
        """The provenance of figures that this process measures on a library."""
        return cls(
            params_id=library.stats().params_id,
            corpus=_corpus_digest(tracks),
            tracks=len(tracks),
            version=_version(),
            commit=_commit(),
            machine=Machine(_cpu_model(), _cores()),
            policy_id=library.policy.id,
        )


def _corpus_digest(tracks: Iterable[Track]) -> str:
    ids = sorted(track.content_id for track in tracks)
    return hashlib.blake2b("\n".join(ids).encode(), digest_size=8).hexdigest()


def _version() -> str | None:
    try:
        return metadata.version("fingerprinter")
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    if not (_CHECKOUT / ".git").exists():
        return None
    command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
