"""Asks a running fingerprinter service about the tracks of a beets library.

Commands: ``fpsimilar``, ``fpduplicates`` and ``fpupdate``. Fields: ``fp_track``, ``fp_tempo`` and
``fp_key``.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable
from optparse import Values
from typing import Any, ClassVar

from beets import ui
from beets.dbcore import types
from beets.dbcore.query import MatchQuery
from beets.library import Item, Library
from beets.plugins import BeetsPlugin
from beets.ui import Subcommand

_TIMEOUT_S = 60


class Service:
    """A running fingerprinter service.

    Parameters
    ----------
    url : str
        Its address, such as ``http://127.0.0.1:8765``.
    token : str
        Its token; empty if it needs none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url, self._token = url.rstrip("/"), token

    def ask(self, path: str, body: Any = None) -> Any:
        """Return the answer of an endpoint; a request with a body is a POST.

        Raises
        ------
        beets.ui.UserError
            If there is no answer, or if it is an error.
        """
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(self.url + path, data, headers)
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ui.UserError(f"{self.url}: {_message(error)}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ui.UserError(
                f"{self.url}: no answer ({reason}); does the service run?"
            ) from error

    def track_of(self, item: Item) -> dict[str, Any] | None:
        """Return the track that fits the tags and the length of an item; None if there is none."""
        tags = {
            "title": item.title,
            "artist": item.artist,
            "album": item.album,
            "mbid": item.mb_trackid,
            "isrc": item.get("isrc"),
        }
        known = {name: value[:500] for name, value in tags.items() if value}
        if not known.keys() & {"title", "mbid", "isrc"}:
            return None
        if item.length:
            known["duration_s"] = item.length
        return self.ask("/api/match", known)["track"]


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


class FingerprinterPlugin(BeetsPlugin):
    """The commands and fields of this plugin."""

    item_types: ClassVar[dict[str, types.Type]] = {
        "fp_track": types.INTEGER,
        "fp_tempo": types.FLOAT,
        "fp_key": types.STRING,
    }

    def __init__(self) -> None:
        super().__init__()
        self.config.add({"url": "http://127.0.0.1:8765", "token": ""})
        self.config["token"].redact = True

    @property
    def service(self) -> Service:
        """The service that the configuration names."""
        return Service(self.config["url"].as_str(), self.config["token"].as_str())

    def commands(self) -> list[Subcommand]:
        """Return the commands of this plugin."""
        similar = Subcommand("fpsimilar", help="list items that sound like those of a query")
        similar.parser.add_option(
            "-n", "--number", type="int", default=10, help="number of items for each (default: 10)"
        )
        similar.parser.add_format_option(target="item")
        similar.func = self.similar
        duplicates = Subcommand("fpduplicates", help="list items that hold the same recording")
        duplicates.parser.add_format_option(target="item")
        duplicates.func = self.duplicates
        update = Subcommand("fpupdate", help="fetch fp_track, fp_tempo and fp_key")
        update.func = self.update
        return [similar, duplicates, update]

    def similar(self, lib: Library, options: Values, query: list[str]) -> None:
        """List the items that sound like each item of a query, the most similar first."""
        if not query:
            raise ui.UserError("fpsimilar: name the items to compare with")
        by_path, service = _by_path(lib.items()), self.service
        for item in lib.items(query):
            track = service.track_of(item)
            if track is None:
                self._log.warning("{}: the service does not know it", item)
                continue
            wanted = f"/api/tracks/{track['id']}/similar?n={max(1, options.number)}"
            for result in service.ask(wanted)["results"]:
                found = _item_of(lib, by_path, result["track"])
                name = format(found) if found else _label(result["track"])
                ui.print_(f"{result['similarity']:.3f}  {name}")

    def duplicates(self, lib: Library, options: Values, query: list[str]) -> None:
        """List the items of a query in groups that hold the same recording."""
        service, items = self.service, list(lib.items(query))
        found = service.ask("/api/duplicates")
        if found["revision"] is None:
            service.ask("/api/jobs", {"kind": "duplicates"})
            raise ui.UserError("the service begins to search for duplicates; ask again later")
        if not found["current"]:
            self._log.warning("the library has changed since the last search for duplicates")
        by_path = _by_path(items)
        groups = [
            [
                item
                for track_id in dict.fromkeys(track["id"] for track in group["tracks"])
                for path in service.ask(f"/api/tracks/{track_id}")["files"]
                if (item := by_path.get(os.fsencode(path)))
            ]
            for group in found["groups"]
        ]
        for number, group in enumerate((group for group in groups if len(group) > 1), 1):
            for item in group:
                ui.print_(f"{number}  {format(item)}")

    def update(self, lib: Library, options: Values, query: list[str]) -> None:
        """Fetch the fields of the items of a query."""
        service = self.service
        for item in lib.items(query):
            track = service.track_of(item)
            if track is None:
                continue
            details = service.ask(f"/api/tracks/{track['id']}")
            item["fp_track"] = track["id"]
            for field, value in (("fp_tempo", details["tempo_bpm"]), ("fp_key", details["key"])):
                if value is not None:
                    item[field] = value
            item.store()


def _by_path(items: Iterable[Item]) -> dict[bytes, Item]:
    return {item.path: item for item in items}


def _item_of(lib: Library, by_path: dict[bytes, Item], track: dict[str, Any]) -> Item | None:
    """Return the item with the file of a track, or the one for which its id was fetched."""
    found = by_path.get(os.fsencode(track["path"])) if track["path"] else None
    return found or lib.items(MatchQuery("fp_track", track["id"], fast=False)).get()


def _label(track: dict[str, Any]) -> str:
    names = [track[name] for name in ("artist", "title") if track[name]]
    known = " - ".join(names) or track["path"] or f"track {track['id']}"
    return f"{known} (not in this beets library)"
