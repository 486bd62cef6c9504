"""Commands that show a library as a whole: its clusters and its map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.audio.source import printable
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import Column, emit, print_json, print_table
from fingerprinter.cli.common.records import Record, neighbour_record
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library
from fingerprinter.library.discover.clusters import Cluster
from fingerprinter.library.discover.sound_map import SoundMap

ClusterCount = Annotated[
    int | None,
    typer.Option("-k", min=1, help="How many clusters. Default: as many as fit best."),
]


def clusters(ctx: typer.Context, count: ClusterCount = None, as_json: AsJson = False) -> None:
    """Groups the tracks by how they sound, and names each group by its tags.

    The tracks shown are those in the middle of their group.

    Example: fingerprinter clusters -k 8
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        found = library.clusters(count)
    if as_json:
        for cluster in found:
            print_json(cluster_record(cluster))
    else:
        _print_clusters(found)


def map_(
    ctx: typer.Context,
    picture: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The picture: .png, .svg, .pdf."),
    ] = None,
    count: ClusterCount = None,
    as_json: AsJson = False,
) -> None:
    """Draws a map of the library: what sounds alike lies together, named by its tags.

    With --json, the place of each track, from -1 to 1, and the number of its cluster, as
    `clusters` has it. The picture needs matplotlib.

    Example: fingerprinter map -o music.png
    """
    if picture is None and not as_json:
        raise UsageError("name a picture with -o FILE.png, or ask for the places with --json")
    if picture:
        from fingerprinter.plotting import check_target

        check_target(picture)
    with open_library(ctx.obj, create=False, read_only=True) as library:
        found = library.map(count)
    if picture:
        from fingerprinter.plotting import draw_map, save

        save(draw_map(found), picture)
    if as_json:
        for record in place_records(found):
            print_json(record)
    else:
        sizes = f"{len(found.ids)} tracks, {len(found.clusters)} clusters"
        emit(printable(f"{picture}: {sizes}") + "\n")


def cluster_record(cluster: Cluster) -> Record:
    """A cluster as the object that `--json` prints."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "tags": list(cluster.tags),
        "size": cluster.size,
        "tracks": [neighbour_record(each) for each in cluster.tracks],
    }


def place_records(found: SoundMap) -> Iterator[Record]:
    """Each track's place on the map."""
    rows = zip(found.ids.tolist(), found.places.tolist(), found.labels.tolist(), strict=True)
    for track_id, (x, y), label in rows:
        name = found.clusters[label].name
        yield {"id": track_id, "x": round(x, 4), "y": round(y, 4), "cluster": label, "name": name}


def _print_clusters(found: Sequence[Cluster]) -> None:
    columns = [
        Column("cluster", "right", folds=False),
        Column("tracks", "right", folds=False),
        Column("name"),
        Column("for example"),
    ]
    print_table(columns, map(_cluster_row, found))


def _cluster_row(cluster: Cluster) -> list[str]:
    examples = ", ".join(text.label(each.track) for each in cluster.tracks)
    return [str(cluster.id), str(cluster.size), cluster.name, examples]
