"""The plugin for beets, with beets itself and a running service; skipped without beets."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fake_library import FakeTrack, add_fake_tracks
from waiting import until

from fingerprinter.server.access import token_digest
from fingerprinter.server.app import create_app
from fingerprinter.server.settings import ServerSettings

beets = pytest.importorskip("beets", reason="beets is not installed (pip install beets)")

PLUGIN = Path(__file__).parents[2] / "plugins" / "beets" / "beetsplug" / "fingerprinter.py"
TRACKS = [
    FakeTrack("Aurora", "Air", "Dawn", vector=[1, 0, 0]),
    FakeTrack("Breeze", "Air", "Dawn", vector=[0.9, 0.4, 0]),
    FakeTrack("Cinder", "Ember", "Ash", vector=[0, 1, 0.3]),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that demands the token "secret"."""
    library = f"sqlite:///{tmp_path_factory.mktemp('library') / 'library.db'}"
    add_fake_tracks(library, TRACKS)
    settings = ServerSettings(library, warm_up=False, token_digest=token_digest("secret"))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


class Beets:
    """A beets library of two of the tracks, and of one that the service does not know."""

    def __init__(self, plugin: Any, folder: Path) -> None:
        from beets.library import Item, Library

        self.library = Library(str(folder / "beets.db"))
        for title, artist in (("Aurora", "Air"), ("Breeze", "Air"), ("Unknown", "Nobody")):
            path = f"/music/{title}.flac".encode()
            self.library.add(Item(title=title, artist=artist, length=180.0, path=path))
        self.plugin = plugin
        self._commands = {command.name: command for command in plugin.commands()}

    def __call__(self, name: str, *arguments: str) -> None:
        command = self._commands[name]
        options, query = command.parser.parse_args(list(arguments))
        command.func(self.library, options, query)


@pytest.fixture
def beet(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Beets:
    monkeypatch.setenv("BEETSDIR", str(tmp_path))
    spec = importlib.util.spec_from_file_location("beetsplug.fingerprinter", PLUGIN)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin = module.FingerprinterPlugin()
    plugin.config.set({"url": url, "token": "secret"})
    return Beets(plugin, tmp_path)


def test_similar_items_are_listed(beet: Beets, capsys: pytest.CaptureFixture[str]) -> None:
    beet("fpsimilar", "-n", "2", "title:Aurora")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("  Air -  - Breeze")
    assert second.endswith("  Ember - Cinder (not in this beets library)")


def test_fields_are_fetched_of_what_is_known(beet: Beets) -> None:
    beet("fpupdate")
    known = {item.title: item.get("fp_track") for item in beet.library.items()}
    assert known == {"Aurora": "1", "Breeze": "2", "Unknown": None}
    assert [item.title for item in beet.library.items("fp_track:2")] == ["Breeze"]


def test_duplicates_are_searched_for_first(beet: Beets, capsys: pytest.CaptureFixture[str]) -> None:
    from beets.ui import UserError

    with pytest.raises(UserError, match="begins to search"):
        beet("fpduplicates")
    until(lambda: not _begins(beet))
    assert capsys.readouterr().out == ""


def test_a_service_that_does_not_answer_is_told(beet: Beets) -> None:
    from beets.ui import UserError

    beet.plugin.config.set({"url": "http://127.0.0.1:1"})
    with pytest.raises(UserError, match="no answer"):
        beet("fpsimilar", "title:Aurora")
    beet.plugin.config.set({"url": "x"})
    with pytest.raises(UserError, match="x: no answer"):
        beet("fpsimilar", "title:Aurora")


def _begins(beet: Beets) -> bool:
    from beets.ui import UserError

    try:
        beet("fpduplicates")
    except UserError:
        return True
    return False
