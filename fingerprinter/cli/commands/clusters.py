"""The commands `clusters` and `map`, which show a library as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import Column, print_json, print_line, print_table
from fingerprinter.cli.common.records import Record, neighbour_record
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library
from fingerprinter.library.discover.clusters import Cluster
from fingerprinter.library.discover.sound_map import SoundMap

ClusterCount = Annotated[
    int | None,
    typer.Option(
        "-k", min=1, metavar="K", help="Number of clusters. Default: the number that fits best."
    ),
]


def clusters(ctx: typer.Context, count: ClusterCount = None, as_json: AsJson = False) -> None:
    """Group the tracks by sound, and name each group by its tags.

    The examples of a group are the tracks nearest to its centre.

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
        typer.Option(
            "-o", "--output", metavar="FILE", help="The picture: a .png, .svg or .pdf file."
        ),
    ] = None,
    count: ClusterCount = None,
    as_json: AsJson = False,
) -> None:
    """Draw a map of the library, with similar tracks close together.

    Each region of the map is named by its tags. With --json, prints for each track its position
    on the map, from -1 to 1, and the number of its cluster in `clusters`. A picture needs
    matplotlib.

    Example: fingerprinter map -o music.png
    """
    if picture is None and not as_json:
        raise UsageError("name a picture with -o FILE.png, or print the positions with --json")
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
        print_line(f"{picture}: {len(found.ids)} tracks, {len(found.clusters)} clusters")


def cluster_record(cluster: Cluster) -> Record:
    """Return a cluster as the object that `--json` prints."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "tags": list(cluster.tags),
        "size": cluster.size,
        "tracks": [neighbour_record(each) for each in cluster.tracks],
    }


def place_records(found: SoundMap) -> Iterator[Record]:
    """Yield the position of each track on the map as the object that `--json` prints."""
    rows = zip(found.ids.tolist(), found.places.tolist(), found.labels.tolist(), strict=True)
    for track_id, (x, y), label in rows:
        name = found.clusters[label].name
        yield {"id": track_id, "x": round(x, 4), "y": round(y, 4), "cluster": label, "name": name}


def _print_clusters(found: Sequence[Cluster]) -> None:
    columns = [
        Column("cluster", "right", folds=False),
        Column("tracks", "right", folds=False),
        Column("name"),
        Column("examples"),
    ]
    rows = (
        [
            str(cluster.id),
            str(cluster.size),
            cluster.name,
            ", ".join(text.label(each.track) for each in cluster.tracks),
        ]
        for cluster in found
    )
    print_table(columns, rows)
