"""The web page: its bundle, and the page in a real browser with a microphone that plays a clip."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_music import MUSIC, SR, Clips, Entry
from fake_library import FakeTrack, add_fake_tracks
from program import Program
from served import Server, serving

import fingerprinter
from fingerprinter.audio import read_samples, write_wav

PAGE = Path(fingerprinter.__file__).parent / "server" / "page"
SOURCES = PAGE.with_name("page_source")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
DEADLINE_MS = 60_000


def test_the_bundle_is_made_of_its_sources() -> None:
    files = sorted(each for each in (SOURCES / "src").rglob("*") if each.is_file())
    digest = sha256()
    for file in [*files, SOURCES / "package-lock.json"]:
        digest.update(file.read_bytes())
    built = (PAGE / "sources.sha256").read_text().strip()
    assert built == digest.hexdigest(), "run `npm ci && npm run build` in page_source"


def test_the_page_asks_no_other_server() -> None:
    for file in PAGE.iterdir():
        if file.suffix in (".js", ".css", ".html", ".webmanifest"):
            hosts = set(re.findall(r"https?://([\w.-]+)", file.read_text()))
            assert hosts <= {"www.w3.org"}, file.name  # names of XML, not addresses


class Page:
    """The page in a browser; at its end nothing must have gone wrong in it."""

    def __init__(self, browser_page: Any, url: str) -> None:
        self.tab, self.url, self.errors = browser_page, url, list[str]()
        self.tab.set_default_timeout(DEADLINE_MS)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", self._on_console)
        self.tab.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))

    def _on_console(self, message: Any) -> None:
        # A refused request, such as for a cover that does not exist, is no fault of the page.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def open(self, view: str) -> None:
        self.tab.goto(f"{self.url}/#/{view}")

    def button(self, name: str) -> Any:
        return self.tab.get_by_role("button", name=name).first

    def wait_for_text(self, text: str) -> None:
        self.tab.get_by_text(text).first.wait_for()


@pytest.fixture(scope="module")
def microphone(clips: Clips, inside: list[Entry]) -> Path:
    """The clip that the browser's microphone plays again and again."""
    return Path(clips.clean(inside[0]))


@pytest.fixture(scope="module")
def server(sqlite_demo: Program) -> Iterator[Server]:
    with serving(sqlite_demo, warm_up=True) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        arguments = [*OPTIONS, f"--use-file-for-fake-audio-capture={microphone}"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page = Page(context.new_page(), server.url)
    yield page
    context.close()
    assert page.errors == []


def test_the_microphone_names_what_plays(page: Page, inside: list[Entry]) -> None:
    page.open("identify")
    page.button("Listen with the microphone").click()
    page.button("Play from").wait_for()
    assert inside[0]["title"] in page.tab.inner_text("main article h2")
    page.button("Why this answer").click()
    picture = page.tab.locator("main article img.picture")
    picture.wait_for()
    page.tab.wait_for_function("image => image.naturalWidth > 300", arg=picture.element_handle())


def test_the_answer_plays_at_its_place(page: Page, clips: Clips, inside: list[Entry]) -> None:
    page.open("identify")
    page.tab.set_input_files("input[type=file]", clips.clean(inside[1]))
    page.button("Play from").click()
    page.tab.get_by_role("region", name="Player").get_by_role("button", name="Pause").wait_for()
    minutes, seconds = page.tab.locator(".player .times span").first.inner_text().split(":")
    assert 60 * int(minutes) + int(seconds) == pytest.approx(clips.start_s, abs=6)


def test_a_long_file_gets_a_track_list(page: Page, inside: list[Entry], tmp_path: Path) -> None:
    played = inside[:4]
    mix = np.concatenate([read_samples(MUSIC / entry["file"], SR) for entry in played])
    write_wav(tmp_path / "mix.wav", mix, SR)
    page.open("identify")
    page.tab.set_input_files("input[type=file]", tmp_path / "mix.wav")
    page.wait_for_text("4 recordings in mix.wav")
    rows = page.tab.locator(".mix-row")
    assert rows.locator("a").all_inner_texts() == [entry["title"] for entry in played]
    assert rows.nth(1).inner_text().startswith("0:34 to 1:0")
    rows.nth(1).get_by_role("button", name="Play").click()
    page.tab.get_by_role("region", name="Player").get_by_role("button", name="Pause").wait_for()


def test_what_is_not_in_the_library_gets_the_nearest_tracks(
    page: Page, clips: Clips, outside: Entry
) -> None:
    page.open("identify")
    page.tab.set_input_files("input[type=file]", clips.clean(outside))
    page.wait_for_text("No match")
    page.tab.locator(".track-row").first.wait_for()


def test_the_library_is_searched_as_one_types(page: Page, inside: list[Entry]) -> None:
    page.open("library")
    page.tab.locator(".track-row").first.wait_for()
    page.tab.keyboard.press("/")
    page.tab.locator("main input:focus").wait_for()
    page.tab.keyboard.type(inside[2]["title"].split()[0].lower())
    page.tab.wait_for_function("() => document.querySelectorAll('.track-row').length < 4")
    assert inside[2]["title"] in page.tab.inner_text(".track-row .name")


def test_every_view_opens_in_both_themes_and_on_a_phone(page: Page) -> None:
    views = ["library/albums", "library/artists", "track/1", "map", "discover", "jobs"]
    for view in views:
        page.open(view)
        page.tab.locator("main h1").first.wait_for()
    page.button("Light colours").click()
    page.tab.wait_for_function("document.documentElement.dataset.theme === 'light'")
    page.tab.set_viewport_size({"width": 390, "height": 780})
    for view in views:
        page.open(view)
        page.tab.locator("main h1").first.wait_for()
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.tab.evaluate(overflow) <= 0, view


def test_tags_are_text_and_never_markup(browser: Any, program: Program) -> None:
    name = "<img src=x onerror=alert(1)><b>bold"
    add_fake_tracks(program.url, [FakeTrack(name, name, name, name, vector=[1, 0, 0])])
    with serving(program) as server:
        page = Page(browser.new_page(), server.url)
        for view in ("library", "library/albums", "library/artists", "track/1"):
            page.open(view)
            page.wait_for_text(name)
        assert page.tab.inner_text("main h1") == name
        assert page.errors == []
        page.tab.close()
