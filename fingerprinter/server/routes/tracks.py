"""Routes of tracks: lists, one track, its sound and its pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from starlette.responses import FileResponse

from fingerprinter.core.mir.keys import camelot
from fingerprinter.library.base.defaults import MIN_VERSION_CONFIDENCE
from fingerprinter.server import media
from fingerprinter.server.models import (
    AlbumPage,
    Analysis,
    ArtistPage,
    Similar,
    TrackDetails,
    TrackPage,
    Versions,
    Waveform,
    shown,
    text,
)
from fingerprinter.server.pictures import explanation_png
from fingerprinter.server.routes.common import (
    Count,
    Guest,
    Limit,
    Limits,
    Offset,
    Only,
    Route,
    Seconds,
    TheService,
    TrackId,
    Words,
)
from fingerprinter.server.routes.identify import PNG, MinVersionConfidence, SameRecordings
from fingerprinter.store.tables.analyses import Beat

router = APIRouter(route_class=Route, tags=["tracks"])

Order = Literal[
    "id",
    "title",
    "artist",
    "album",
    "year",
    "duration",
    "added",
    "match",
    "-id",
    "-title",
    "-artist",
    "-album",
    "-year",
    "-duration",
    "-added",
    "-match",
]
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/*": {}}, "description": "The whole file."},
    206: {"content": {"audio/*": {}}, "description": "The bytes that were asked for."},
    416: {"content": {"text/plain": {}}, "description": "The file has no such bytes."},
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": "The picture."}
}
_KEEP = {"Cache-Control": "private, max-age=86400"}


@router.get("/api/tracks")
def tracks(
    service: TheService,
    viewer: Guest,
    only: Only,
    query: Words = "",
    exact: Annotated[
        bool, Query(description="The texts of tags must be equal, not only contained.")
    ] = False,
    order: Order = "artist",
    offset: Offset = 0,
    limit: Limit = 200,
) -> TrackPage:
    """List tracks, filtered and sorted.

    `-year` sorts downwards. `match` puts first whose names fit the query best.
    """
    wanted = replace(only, query=query, exact=exact)
    total, part = service.library.lists.tracks(wanted, order, offset=offset, limit=limit)
    return shown(TrackPage(total, offset, part), viewer)


@router.get("/api/albums")
def albums(
    service: TheService,
    _: Guest,
    query: Words = "",
    offset: Offset = 0,
    limit: Limit = 200,
) -> AlbumPage:
    """List albums by name.

    `GET /api/tracks?exact=true&order=album&album=...&album_artist=...` lists the tracks of one;
    `album_artist` is the `artist` of the album.
    """
    total, part = service.library.lists.albums(query, offset=offset, limit=limit)
    return AlbumPage(total, offset, part)


@router.get("/api/artists")
def artists(
    service: TheService,
    _: Guest,
    query: Words = "",
    offset: Offset = 0,
    limit: Limit = 200,
) -> ArtistPage:
    """List artists by name.

    `GET /api/tracks?exact=true&artist=...` lists the tracks of one.
    """
    total, part = service.library.lists.artists(query, offset=offset, limit=limit)
    return ArtistPage(total, offset, part)


@router.get("/api/tracks/{track_id}")
def track(service: TheService, viewer: Guest, track_id: TrackId) -> TrackDetails:
    """Return what is known of a track; `files` is empty without the token."""
    found = service.library.track(track_id)
    beat = service.library.lists.beats([found.id]).get(found.id, Beat(None, None))
    files = [text(file) for file in service.library.files(found)] if viewer.sees_paths else []
    details = TrackDetails(found, files, beat.tempo_bpm, beat.key)
    return shown(details, viewer)


@router.get("/api/tracks/{track_id}/similar")
def similar(
    service: TheService,
    viewer: Guest,
    only: Only,
    limits: Limits,
    track_id: TrackId,
    n: Count = 10,
    start_s: Seconds = None,
    end_s: Seconds = None,
    copies: Annotated[bool, Query(description="List every track of a recording.")] = False,
    why: Annotated[bool, Query(description="Explain each result.")] = False,
) -> Similar:
    """Find the tracks that sound most like a track, or like a part of it."""
    with service.searches.enter():
        found = service.library.track(track_id)
        results = service.library.similar(
            found,
            n,
            start_s=start_s,
            end_s=end_s,
            only=only,
            copies=copies,
            why=why,
            **limits,
        )
    return shown(Similar(found, results), viewer)


@router.get("/api/tracks/{track_id}/versions")
def versions(
    service: TheService,
    viewer: Guest,
    only: Only,
    track_id: TrackId,
    n: Count = 10,
    min_confidence: MinVersionConfidence = MIN_VERSION_CONFIDENCE,
    copies: SameRecordings = False,
) -> Versions:
    """Find other performances of the piece that a track plays, in any key and tempo.

    Only tracks that were analysed are found.
    """
    with service.searches.enter():
        found = service.library.track(track_id)
        results = service.library.versions(
            found, n, only=only, min_confidence=min_confidence, copies=copies
        )
    return shown(Versions(found, results), viewer)


@router.head("/api/tracks/{track_id}/audio", include_in_schema=False)
@router.get("/api/tracks/{track_id}/audio", responses=_BYTES, response_class=FileResponse)
def audio(
    service: TheService,
    _: Guest,
    track_id: TrackId,
    transcode: Annotated[
        bool, Query(description="Send Opus even if browsers play the original.")
    ] = False,
) -> FileResponse:
    """Send the sound of a track, whole or by byte ranges.

    The file itself where browsers play its format, else a copy in Opus.
    """
    found = service.library.track(track_id)
    with service.pictures.enter():
        codecs = frozenset({".opus"}) if transcode else None
        file = media.playable(found, service.cache("audio"), codecs=codecs)
    return media.SoundResponse(file.path, media_type=file.media_type, headers=_KEEP)


@router.get("/api/tracks/{track_id}/waveform")
def waveform(service: TheService, _: Guest, track_id: TrackId) -> Waveform:
    """Return the loudest sample in each of 1,000 equal parts of a track; 1 is full scale."""
    found = service.library.track(track_id)
    with service.pictures.enter():
        points = service.library.waveform(found)
    return Waveform(found.duration_s, [round(point / 255, 3) for point in points.tolist()])


@router.head("/api/tracks/{track_id}/cover", include_in_schema=False)
@router.get("/api/tracks/{track_id}/cover", responses=_PICTURE, response_class=Response)
def cover(service: TheService, _: Guest, track_id: TrackId) -> Response:
    """Send the cover of a track: the picture in its tags, or in its folder."""
    found = media.cover(service.library.track(track_id))
    return Response(found.data, media_type=found.media_type, headers=_KEEP)


@router.get("/api/tracks/{track_id}/spectrogram.png", responses=PNG, response_class=Response)
def spectrogram(
    service: TheService,
    _: Guest,
    track_id: TrackId,
    start_s: Seconds = None,
    end_s: Seconds = None,
) -> Response:
    """Draw the spectrogram of at most 120 s of a track with its peaks; the default is 30 s."""
    with service.pictures.enter():
        found = service.library.track(track_id)
        media.source_of(found)
        explanation = service.library.explain(found, start_s, end_s, match=False)
        picture = explanation_png(explanation)
    return Response(picture, media_type="image/png", headers=_KEEP)


@router.get("/api/tracks/{track_id}/analysis")
def analysis(service: TheService, viewer: Guest, track_id: TrackId) -> Analysis:
    """Return tempo, beats, key, sections, loudness and tags.

    A track that was not analysed yet is analysed now, which takes some seconds.
    """
    with service.searches.enter():
        found = service.library.analyze(track_id)
    assert found.track
    music = found.music
    result = Analysis(
        query=found.track,
        duration_s=found.duration_s,
        tempo_bpm=music.tempo_bpm,
        tempo_confidence=music.tempo_confidence,
        beats=music.beats_s,
        key=music.key,
        camelot=camelot(music.key.name) if music.key else None,
        sections=music.sections,
        loudness=music.loudness,
        tags=found.tags,
    )
    return shown(result, viewer)
