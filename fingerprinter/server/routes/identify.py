"""Routes that take audio: identify, explain, what sounds like it, and versions."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from fingerprinter.audio import AudioSource
from fingerprinter.errors import UsageError
from fingerprinter.library import MIN_CONFIDENCE
from fingerprinter.library.base.defaults import MIN_VERSION_CONFIDENCE
from fingerprinter.server.models import Identification, Similar, Versions, shown
from fingerprinter.server.pictures import explanation_png
from fingerprinter.server.routes.common import (
    Count,
    Guest,
    Limits,
    Only,
    Route,
    Seconds,
    TheService,
)
from fingerprinter.server.service import Service
from fingerprinter.server.uploads import Clip, Upload, decode, receive

router = APIRouter(route_class=Route, tags=["audio"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
AUDIO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Audio of any format: the body itself, or the field `file` of a form.",
        "content": {"application/octet-stream": _BINARY, "multipart/form-data": _FORM},
    }
}
PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": _BINARY}, "description": "A picture."}
}
Name = Annotated[str, Query(max_length=200, description="Name of the clip in the answer.")]
MinConfidence = Annotated[
    float, Query(ge=0, le=1, description="Leave out matches with a lower confidence.")
]
MinVersionConfidence = Annotated[
    float, Query(ge=0, le=1, description="Leave out versions with a lower confidence.")
]
SameRecordings = Annotated[bool, Query(description="List tracks with the same recording, too.")]
AllMatches = Annotated[
    bool, Query(alias="all", description="List every recording in a long clip, in its order.")
]


@router.post("/api/identify", openapi_extra=AUDIO_BODY)
async def identify(
    request: Request,
    service: TheService,
    viewer: Guest,
    name: Name = "clip",
    all_matches: AllMatches = False,
    alternatives: Annotated[
        int, Query(ge=0, le=20, description="How many other recordings to list, too.")
    ] = 0,
    versions: Annotated[
        bool, Query(description="Look for other performances of the piece if there is no match.")
    ] = False,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
) -> Identification:
    """Name the recording in a clip, or all recordings in a long one.

    Only the first two minutes of the clip are used, but all of it for all recordings. A page with
    a microphone sends what it has after 3, 6 and 10 seconds, until there is a match.
    """
    gate = service.mixes if all_matches else service.searches

    def work(upload: Upload) -> Identification:
        with gate.slot():
            source: AudioSource = upload.file
            problem = None
            if not all_matches:
                clip = decode(upload, service.settings.clip_s)
                source, problem = (clip.samples, clip.sr), clip.problem
            start = time.perf_counter()
            found = service.library.recognize(
                source,
                name=upload.name,
                min_confidence=min_confidence,
                all_matches=all_matches,
                alternatives=alternatives,
                versions=versions,
            )
            elapsed_s = time.perf_counter() - start
        return Identification(
            clip=upload.name,
            duration_s=found.duration_s,
            elapsed_s=round(elapsed_s, 4),
            matches=list(found.matches),
            alternatives=list(found.alternatives),
            problem=problem or found.problem,
            versions=found.versions,
        )

    with gate.place():
        async with receive(request, service.settings, is_mix=all_matches) as upload:
            return shown(await run_in_threadpool(work, upload), viewer)


@router.post(
    "/api/identify/explain", openapi_extra=AUDIO_BODY, responses=PNG, response_class=Response
)
async def explain(
    request: Request,
    service: TheService,
    _: Guest,
    name: Name = "clip",
    start_s: Seconds = None,
    end_s: Seconds = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
) -> Response:
    """Draw why a clip matches: its spectrogram, the stored peaks, and the landmarks of both.

    Without a match the picture shows the spectrogram of the clip with its peaks.
    """

    def work(upload: Upload) -> bytes:
        with service.pictures.slot():
            clip = decode(upload, service.settings.clip_s)
            explanation = service.library.explain(
                (clip.samples, clip.sr), start_s, end_s, min_confidence=min_confidence
            )
            return explanation_png(explanation)

    with service.pictures.place():
        async with receive(request, service.settings) as upload:
            return Response(await run_in_threadpool(work, upload), media_type="image/png")


@router.post("/api/similar", openapi_extra=AUDIO_BODY)
async def similar_to_audio(
    request: Request,
    service: TheService,
    viewer: Guest,
    only: Only,
    limits: Limits,
    name: Name = "clip",
    n: Count = 10,
) -> Similar:
    """Find the tracks that sound most like a clip, which need not be in the library."""

    def work(upload: Upload) -> Similar:
        with service.searches.slot():
            clip = decode(upload, service.settings.clip_s)
            _require_length(clip, service)
            found = service.library.similar((clip.samples, clip.sr), n, only=only, **limits)
        return Similar(clip.name, found, clip.problem)

    with service.searches.place():
        async with receive(request, service.settings) as upload:
            return shown(await run_in_threadpool(work, upload), viewer)


@router.post("/api/versions", openapi_extra=AUDIO_BODY)
async def versions_of_audio(
    request: Request,
    service: TheService,
    viewer: Guest,
    only: Only,
    name: Name = "clip",
    n: Count = 10,
    min_confidence: MinVersionConfidence = MIN_VERSION_CONFIDENCE,
    copies: SameRecordings = False,
) -> Versions:
    """Find other performances of the piece that a clip of 15 seconds or more plays.

    Only tracks that were analysed are found.
    """

    def work(upload: Upload) -> Versions:
        with service.searches.slot():
            clip = decode(upload, service.settings.clip_s)
            found = service.library.versions(
                (clip.samples, clip.sr),
                n,
                only=only,
                min_confidence=min_confidence,
                copies=copies,
            )
        return Versions(clip.name, found, clip.problem)

    with service.searches.place():
        async with receive(request, service.settings) as upload:
            return shown(await run_in_threadpool(work, upload), viewer)


def _require_length(clip: Clip, service: Service) -> None:
    if len(clip.samples) < clip.sr:
        raise UsageError(f"{clip.name}: shorter than a second, which has no sound to compare")
