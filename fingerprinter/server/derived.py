"""Results that take long: the map and the duplicates, kept in files that all workers share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from fingerprinter.library import Library
from fingerprinter.library.discover.sound_map import Places
from fingerprinter.library.duplicates.better_copy import rank_copies
from fingerprinter.server.media import write_aside
from fingerprinter.server.models import Copies, Duplicates, MapCluster, MapColumns
from fingerprinter.types import DuplicateReport, Evidence, Track

_MAP, _DUPLICATES = "map.json", "duplicates.json"


def read_map(folder: Path, revision: int) -> MapColumns | None:
    """Return the last map, or None; it may be of an older revision."""
    stored = _read(folder / _MAP)
    if stored is None:
        return None
    clusters = [MapCluster(**each) for each in stored.pop("clusters")]
    return MapColumns(**stored, clusters=clusters, current=stored["revision"] == revision)


def make_map(library: Library, folder: Path) -> MapColumns:
    """Make the map of the current revision; tracks of the last map keep their places."""
    revision = library.revision()
    last = read_map(folder, revision)
    if last and last.current:
        return last
    earlier = None
    if last:
        earlier = Places(np.array(last.ids, np.int64), np.array([last.x, last.y], np.float32).T)
    found = library.map(earlier=earlier)
    ids = found.ids.tolist()
    years = {track.id: track.year for track in library.tracks()}
    beats = library.lists.beats(ids)
    columns = {
        "revision": revision,
        "ids": ids,
        "x": [round(float(x), 4) for x in found.places[:, 0]],
        "y": [round(float(y), 4) for y in found.places[:, 1]],
        "cluster": found.labels.tolist(),
        "year": [years.get(each) for each in ids],
        "tempo_bpm": [beats[each].tempo_bpm if each in beats else None for each in ids],
        "clusters": [
            {"id": each.id, "name": each.name, "tags": each.tags, "size": each.size}
            for each in found.clusters
        ],
    }
    _write(folder / _MAP, columns)
    made = read_map(folder, revision)
    assert made is not None
    return made


def write_duplicates(folder: Path, revision: int, found: DuplicateReport) -> None:
    """Keep the result of a search for duplicates, but for exact copies: they are always known."""
    groups = [
        {
            "kind": group.kind,
            "tracks": [track.id for track in group.tracks],
            "evidence": [asdict(row) for row in group.evidence],
        }
        for group in found.groups
        if group.kind != "exact"
    ]
    _write(folder / _DUPLICATES, {"revision": revision, "groups": groups})


def read_duplicates(library: Library, folder: Path) -> Duplicates:
    """Return exact copies and the result of the last search, without tracks removed since."""
    exact = [
        Copies(each.kind, each.tracks, each.evidence, better=None, reason=None)
        for each in library.exact_copies()
    ]
    stored = _read(folder / _DUPLICATES)
    if stored is None:
        return Duplicates(None, False, exact)
    ids = {track_id for group in stored["groups"] for track_id in group["tracks"]}
    groups = list(_groups(stored["groups"], library.lists.tracks_by_id(list(ids))))
    current = stored["revision"] == library.revision()
    return Duplicates(stored["revision"], current, [*exact, *groups])


def _groups(stored: list[dict[str, Any]], known: dict[int, Track]) -> Iterator[Copies]:
    for group in stored:
        members = tuple(known[each] for each in group["tracks"] if each in known)
        if len(members) > 1:
            ids = {track.id for track in members}
            rows = (Evidence(**row) for row in group["evidence"])
            evidence = tuple(row for row in rows if {row.a, row.b} <= ids)
            best = rank_copies(members)[0] if group["kind"] == "same" else None
            better, reason = (best.track.id, best.reason) if best else (None, None)
            yield Copies(group["kind"], members, evidence, better, reason)


def _read(path: Path) -> dict[str, Any] | None:
    """Return a stored result; None if there is none, or if it is damaged."""
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != _digest(text):
        return None
    stored: dict[str, Any] = json.loads(text)
    return stored


def _write(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    data = text.encode()
    write_aside(path, lambda place: place.write_bytes(_digest(data) + b"\n" + data))


def _digest(text: bytes) -> bytes:
    return sha256(text).hexdigest().encode()
