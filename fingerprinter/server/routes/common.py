"""Parameters that several routes share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from fingerprinter.core.mir.keys import parse_key, wheel_neighbours
from fingerprinter.errors import UsageError
from fingerprinter.server.access import Role, Viewer
from fingerprinter.server.problems import UnknownParameterError
from fingerprinter.server.service import Service, require
from fingerprinter.store.tables.lists import TrackFilter

MAX_ID = (1 << 63) - 1


class Route(APIRoute):
    """A route whose summary is the first line of its docstring.

    It refuses parameters that it does not have: a misspelt filter must not be ignored.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if not self.summary:
            self.summary, _, self.description = self.description.partition("\n\n")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        answer = super().get_route_handler()
        if not self.path.startswith("/api/"):  # health checks
            return answer
        known = sorted(_query_names(self.dependant))

        async def checked(request: Request) -> Response:
            unknown = next((name for name in request.query_params if name not in known), None)
            if unknown is not None:
                there = f"there are {', '.join(known)}" if known else "there are none"
                raise UnknownParameterError(f"{unknown}: no such parameter here; {there}")
            return await answer(request)

        return checked


def _query_names(dependant: Dependant) -> set[str]:
    """Names of the query parameters that a route or what it depends on takes."""
    own = {each.alias for each in dependant.query_params}
    return own.union(*map(_query_names, dependant.dependencies))


def _service(request: Request) -> Service:
    return request.app.state.service


def _guest(request: Request) -> Viewer:
    viewer: Viewer = request.state.viewer
    require(Role.GUEST, viewer)
    return viewer


def _owner(request: Request) -> Viewer:
    viewer: Viewer = request.state.viewer
    require(Role.OWNER, viewer)
    return viewer


TheService = Annotated[Service, Depends(_service)]
Guest = Annotated[Viewer, Depends(_guest)]
Owner = Annotated[Viewer, Depends(_owner)]
TrackId = Annotated[int, Path(ge=1, le=MAX_ID, description="Id of a track.")]
Count = Annotated[int, Query(ge=1, le=1000, description="Number of tracks to return.")]
Offset = Annotated[int, Query(ge=0, le=MAX_ID, description="How many to skip.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return at most.")]
Words = Annotated[str, Query(max_length=500, description="Words of names, or their beginnings.")]
Seconds = Annotated[float | None, Query(ge=0, le=1e6, description="Seconds.")]
Number = Annotated[float | None, Query(allow_inf_nan=False)]
Text = Annotated[str | None, Query(max_length=500)]


def track_filter(
    artist: Text = None,
    album: Text = None,
    album_artist: Text = None,
    genre: Text = None,
    year_min: Number = None,
    year_max: Number = None,
    duration_min: Number = None,
    duration_max: Number = None,
    tempo_min: Number = None,
    tempo_max: Number = None,
    key: Annotated[str | None, Query(max_length=20, examples=["A minor"])] = None,
) -> TrackFilter:
    """Return the filter that the parameters of a request describe."""
    return TrackFilter(
        artist=artist,
        album=album,
        album_artist=album_artist,
        genre=genre,
        year=_span(year_min, year_max),
        duration_s=_span(duration_min, duration_max),
        tempo_bpm=_span(tempo_min, tempo_max),
        keys=key_names(key),
    )


Only = Annotated[TrackFilter, Depends(track_filter)]
_Most = Annotated[int | None, Query(ge=1, le=1000)]


def result_limits(
    per_artist: _Most = None,
    per_album: _Most = None,
    not_same_album: Annotated[
        bool, Query(description="Leave out the albums of the given tracks.")
    ] = False,
) -> dict[str, Any]:
    """Return the arguments of `Library.similar` that limit artists and albums."""
    return {
        "per_artist": per_artist,
        "per_album": per_album,
        "not_same_album": not_same_album,
    }


Limits = Annotated[dict[str, Any], Depends(result_limits)]


def key_names(key: str | None) -> tuple[str, ...] | None:
    """Return the names of a key, and of its neighbours on the Camelot wheel if ~ precedes it.

    Raises
    ------
    UsageError
        If the text is no key.
    """
    if key is None:
        return None
    try:
        name = parse_key(key.strip().removeprefix("~"))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return wheel_neighbours(name) if key.strip().startswith("~") else (name,)


def _span(lowest: float | None, highest: float | None) -> tuple[float | None, float | None] | None:
    return None if lowest is None and highest is None else (lowest, highest)
