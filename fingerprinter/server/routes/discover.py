"""Routes of discovery: search, recommend, paths, the map, duplicates, and tracks by their tags."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from fingerprinter.errors import UsageError
from fingerprinter.library.base.m3u import playlist_text
from fingerprinter.library.discover.tag_matching import TagMatch
from fingerprinter.library.maintain.statistics import LibraryStats
from fingerprinter.server import derived
from fingerprinter.server.models import (
    Clusters,
    Duplicates,
    Ends,
    Found,
    LikesQuery,
    MapColumns,
    Recommended,
    TrackPath,
    shown,
)
from fingerprinter.server.routes.common import (
    MAX_ID,
    Count,
    Guest,
    Limits,
    Only,
    Route,
    TheService,
)
from fingerprinter.types import Tags

router = APIRouter(route_class=Route, tags=["discover"])

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Name = Annotated[str | None, Field(max_length=500)]


class Likes(BaseModel, extra="forbid"):
    """What a listener likes and dislikes, as track ids."""

    model_config = {"json_schema_extra": {"examples": [{"like": [1, 2], "dislike": [3], "n": 10}]}}

    like: list[Id] = Field(min_length=1, max_length=1000)
    dislike: list[Id] = Field(default=[], max_length=1000)
    n: int = Field(default=10, ge=1, le=1000)


class Playlist(BaseModel, extra="forbid"):
    """The tracks of a playlist in their order, and how it names them."""

    model_config = {"json_schema_extra": {"examples": [{"tracks": [1, 2, 3], "location": "url"}]}}

    tracks: list[Id] = Field(min_length=1, max_length=10_000)
    location: Literal["file", "url"] = "file"


class KnownTags(BaseModel, extra="forbid"):
    """Tags of a track that another program knows; at least one of title, MBID and ISRC."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"title": "Clair de lune", "artist": "Debussy", "duration_s": 300.5}]
        }
    }

    title: Name = None
    artist: Name = None
    album: Name = None
    mbid: Name = None
    isrc: Name = None
    duration_s: float | None = Field(default=None, ge=0, le=1e6)


@router.get("/api/search")
def search(
    service: TheService,
    viewer: Guest,
    query: Annotated[str, Query(min_length=1, max_length=500, examples=["calm piano"])],
    n: Count = 10,
) -> Found:
    """Search by names, or by a description of the sound; `-metal` excludes."""
    with service.searches.enter():
        found = service.library.search(query, n)
    return shown(Found(query, list(found.results), list(found.notes)), viewer)


@router.post("/api/recommend")
def recommend(
    service: TheService, viewer: Guest, only: Only, limits: Limits, likes: Likes
) -> Recommended:
    """Recommend tracks from likes and dislikes; `not_same_album` is about the liked tracks."""
    with service.searches.enter():
        liked = [service.library.track(each) for each in likes.like]
        disliked = [service.library.track(each) for each in likes.dislike]
        results = service.library.recommend(liked, disliked, likes.n, only=only, **limits)
    return shown(Recommended(LikesQuery(liked, disliked), results), viewer)


@router.get("/api/path")
def path(
    service: TheService,
    viewer: Guest,
    start: Annotated[int, Query(alias="from", ge=1, le=MAX_ID, description="First track.")],
    end: Annotated[int, Query(alias="to", ge=1, le=MAX_ID, description="Last track.")],
    n: Annotated[
        int, Query(ge=2, le=200, description="Number of tracks, both ends included.")
    ] = 10,
    per_artist: Annotated[bool, Query(description="At most one track of each artist.")] = False,
) -> TrackPath:
    """Make a playlist that leads from one track to another in small steps.

    Each `similarity` compares a track with the one before it.
    """
    with service.searches.enter():
        ends = service.library.track(start), service.library.track(end)
        results = service.library.path(*ends, n, per_artist=per_artist)
    return shown(TrackPath(Ends(*ends, n), results), viewer)


@router.get("/api/map")
def sound_map(service: TheService, _: Guest) -> MapColumns:
    """Return the map of the library in columns.

    After a change of the library, the last map is returned with `current: false`, and a job makes
    the new one, in which the tracks keep their places.
    """
    folder = service.cache("server")
    found = derived.read_map(folder, service.library.revision())
    if found is None:
        with service.searches.enter():
            return derived.make_map(service.library, folder)
    if not (found.current or service.settings.read_only):
        service.add_job("map", {}, once=True)
    return found


@router.get("/api/clusters")
def clusters(
    service: TheService,
    viewer: Guest,
    count: Annotated[
        int | None, Query(ge=1, le=100, description="Number of clusters; default: what fits best.")
    ] = None,
) -> Clusters:
    """Group the tracks by sound. Each cluster has the tracks nearest to its centre."""
    with service.searches.enter():
        return shown(Clusters(service.library.clusters(count)), viewer)


@router.get("/api/duplicates")
def duplicates(service: TheService, viewer: Guest) -> Duplicates:
    """Return what the last job of the kind `duplicates` found."""
    return shown(derived.read_duplicates(service.library, service.cache("server")), viewer)


@router.get("/api/stats")
def stats(service: TheService, viewer: Guest) -> LibraryStats:
    """Count tracks, files and landmarks; the address is empty without the token."""
    return service.stats(viewer)


@router.post("/api/match")
def match(service: TheService, viewer: Guest, tags: KnownTags) -> TagMatch:
    """Find the track that fits tags of another program.

    It is found by its ISRC, else by its MBID, else by artist and title. Without an artist, the
    title must be that of one artist only. With a length, tracks of another length do not fit.
    """
    if not (tags.title or tags.mbid or tags.isrc):
        raise UsageError("name a title, an MBID or an ISRC")
    known = tags.model_dump()
    duration_s = known.pop("duration_s")
    return shown(service.library.match_tags(Tags(**known), duration_s), viewer)


@router.post(
    "/api/playlist.m3u8",
    response_class=Response,
    responses={200: {"content": {"application/vnd.apple.mpegurl": {}}, "description": "M3U8."}},
)
def playlist(request: Request, service: TheService, viewer: Guest, wanted: Playlist) -> Response:
    """Make a playlist file. It names files, or addresses of this service for `location: url`."""
    tracks = [shown(service.library.track(each), viewer) for each in wanted.tracks]
    by_url = wanted.location == "url" or not viewer.sees_paths
    start = str(request.base_url).rstrip("/")
    lines = playlist_text(
        tracks, lambda each: f"{start}/api/tracks/{each.id}/audio" if by_url else each.path
    )
    return Response(
        lines.encode("utf-8", "surrogateescape"),
        media_type="application/vnd.apple.mpegurl",
        headers={"Content-Disposition": 'attachment; filename="playlist.m3u8"'},
    )
