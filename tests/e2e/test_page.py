"""The web page: its bundle, and the page in a real browser with a microphone that plays a clip."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import mutagen
import numpy as np
import pytest
import soundfile
from demo_music import MUSIC, SR, Clips, Entry
from fake_library import FakeTrack, add_fake_tracks
from performances import SR as PERFORMANCE_SR
from performances import perform
from program import Program
from served import Server, serving

import fingerprinter
from fingerprinter.audio import read_samples, write_wav
from fingerprinter.cli.common.remote import Server as RemoteServer

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
    """The page in a browser; at its end nothing must have gone wrong in it.

    An error is also a request to another server, and what the content security policy refuses.
    """

    def __init__(self, browser_page: Any, url: str) -> None:
        self.tab, self.url, self.errors = browser_page, url, list[str]()
        self.tab.set_default_timeout(DEADLINE_MS)
        self.tab.on("request", self._on_request)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", self._on_console)
        self.tab.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.errors.append(f"request to {request.url}")

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

    def wait_until_it_plays(self) -> None:
        """Wait until the position of the player has moved."""
        clock = "document.querySelector('.player .times span')?.textContent"
        self.tab.wait_for_function(f"() => ({clock} ?? '0:00') > '0:00'")

    def choose(self, label: str, title: str) -> None:
        """Choose a track in a field that finds tracks, by the keyboard."""
        self.tab.get_by_role("combobox", name=label).fill(title)
        self.tab.get_by_role("option").filter(has_text=title).first.wait_for()
        self.tab.keyboard.press("Enter")

    def on_map(self, across: float, down: float) -> tuple[float, float]:
        """Return a place on the map in pixels, by its share of the width and of the height."""
        self.tab.locator(".legend").wait_for()
        box = self.tab.locator(".map-frame canvas").first.bounding_box()
        return box["x"] + box["width"] * across, box["y"] + box["height"] * down

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        document = "document.documentElement"
        return int(self.tab.evaluate(f"{document}.scrollWidth - {document}.clientWidth"))


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


def test_a_track_plays_and_its_position_moves(page: Page, inside: list[Entry]) -> None:
    sounds = list[tuple[int, int]]()

    def note(answer: Any) -> None:
        if answer.url.endswith("/audio"):
            sounds.append((answer.status, int(answer.headers["content-length"])))

    page.tab.on("response", note)
    page.open("library")
    page.button(f"Play {inside[3]['title']}").click()
    page.wait_until_it_plays()
    assert sounds
    assert all(status == 206 and size > 10_000 for status, size in sounds)
    before = page.tab.title()
    assert inside[3]["title"] in before
    page.button("Next").click()
    page.tab.wait_for_function("title => document.title !== title", arg=before)


def test_the_keyboard_alone_opens_finds_plays_and_pauses(page: Page, inside: list[Entry]) -> None:
    press = page.tab.keyboard.press
    page.open("identify")
    page.tab.locator("main h1").wait_for()
    press("2")
    page.tab.locator(".slot .track-row").first.wait_for()
    press("/")
    page.tab.locator("main input:focus").wait_for()
    page.tab.keyboard.type(inside[4]["title"])
    page.tab.wait_for_function("() => document.querySelectorAll('.slot').length < 3")
    for _ in range(12):
        press("Tab")
        if page.tab.locator(".slot .cover:focus-visible").count():
            break
    press("Enter")
    page.wait_until_it_plays()
    page.tab.evaluate("document.activeElement.blur()")
    press("Space")
    page.tab.get_by_role("region", name="Player").get_by_role(
        "button", name="Play", exact=True
    ).wait_for()
    press("?")
    page.tab.get_by_role("dialog", name="Keyboard").wait_for()
    press("Escape")


def test_a_path_becomes_a_playlist_that_is_saved(page: Page, inside: list[Entry]) -> None:
    first, last = inside[0]["title"], inside[-1]["title"]
    page.open("discover")
    page.button("A path").click()
    page.choose("From…", first)
    page.choose("To…", last)
    page.button("Add all to the playlist").click()
    with page.tab.expect_download() as download:
        page.button("Save as M3U8").click()
    lines = download.value.path().read_text().splitlines()
    titles = [line for line in lines if line.startswith("#EXTINF")]
    assert first in titles[0]
    assert last in titles[-1]


def test_a_track_shows_what_sounds_like_it(page: Page) -> None:
    page.open("track/1")
    similar = page.tab.locator(".track-row .meter")  # versions have no such meter
    similar.first.wait_for()
    assert similar.count() == 8  # all other tracks


def place_of_a_dot(page: Page, columns: dict[str, list[float]]) -> tuple[float, float]:
    """Return where a dot near the middle is, in shares of the map; the dots fill 92 % of it."""
    (left, top), (right, bottom) = page.on_map(0, 0), page.on_map(1, 1)
    x, y = (np.array(columns[axis]) for axis in "xy")
    x, y = x - (x.min() + x.max()) / 2, y - (y.min() + y.max()) / 2
    dot = np.argmin(np.hypot(x, y))
    scale = 0.92 * min((right - left) / np.ptp(x), (bottom - top) / np.ptp(y))
    across, down = x[dot] * scale / (right - left), y[dot] * scale / (bottom - top)
    return float(0.5 + across), float(0.5 - down)


def test_the_map_names_a_dot_zooms_and_takes_a_lasso(
    page: Page, server: Server, inside: list[Entry]
) -> None:
    page.open("map")
    mouse = page.tab.mouse
    page.button("Lasso").click()
    mouse.move(*page.on_map(0.01, 0.01))
    mouse.down()
    for across, down in [(0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]:
        mouse.move(*page.on_map(across, down), steps=3)
    mouse.up()
    page.wait_for_text(f"{len(inside)} tracks in the lasso")
    mouse.move(*page.on_map(0.5, 0.5))
    mouse.wheel(0, -120)
    page.button("Show the whole map").click()
    mouse.move(*page.on_map(*place_of_a_dot(page, server.get("/api/map"))))
    shown = page.tab.locator(".map-label .strong").inner_text()
    assert shown in [entry["title"] for entry in inside]
    page.button("Make a playlist").click()
    page.wait_for_text(f"{len(inside)} tracks, ")
    assert page.tab.locator(".playlist li").count() == len(inside)


def test_a_job_indexes_a_folder_and_another_finds_the_copy(
    page: Page, server: Server, inside: list[Entry], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.wav"
    write_wav(copy, read_samples(MUSIC / inside[5]["file"], SR), SR)
    page.open("jobs")
    page.tab.get_by_label("Folder on the server").fill(str(tmp_path))
    page.button("Index").click()
    page.tab.get_by_role("progressbar", name="Index").wait_for()
    page.wait_for_text("1 indexed")
    page.open("nowhere")
    page.wait_for_text("There is no such page")
    page.open("track/999")
    page.wait_for_text("the library view shows those there are")
    page.open("duplicates")
    page.button("Look for duplicates").click()
    page.wait_for_text("the better copy")
    assert page.tab.locator(".copy").count() == 2
    page.wait_for_text(str(copy))
    ours = server.get("/api/tracks?query=copy")["tracks"][0]["id"]
    page.open(f"track/{ours}")
    page.wait_for_text("Unknown artist")


def test_every_view_opens_in_both_themes_and_on_a_phone(page: Page) -> None:
    views = ["library/albums", "library/artists", "track/1", "map", "discover", "jobs", "stations"]
    for view in views:
        page.open(view)
        page.tab.locator("main h1").first.wait_for()
    assert page.tab.title() == "Stations · fingerprinter"
    page.button("Light colours").click()
    page.tab.wait_for_function("document.documentElement.dataset.theme === 'light'")
    page.tab.set_viewport_size({"width": 390, "height": 780})
    for view in views:
        page.open(view)
        page.tab.locator("main h1").first.wait_for()
        assert page.overflow() <= 0, view


def test_a_phone_reaches_all_views_and_the_whole_player(page: Page) -> None:
    page.tab.set_viewport_size({"width": 390, "height": 780})
    page.open("library")
    page.tab.wait_for_load_state("networkidle")  # the list is drawn anew when all of it has come
    page.tab.locator(".slot .cover").first.click()
    page.button("Show what plays").click()
    sheet = page.tab.get_by_role("dialog", name="Now playing")
    for name in ("Previous", "Pause", "Next", "Shuffle the queue"):
        sheet.get_by_role("button", name=name).wait_for()
    sheet.get_by_role("slider").wait_for()
    sheet.get_by_role("button", name="Close", exact=True).click()
    page.button("More").click()
    page.tab.get_by_role("link", name="Jobs").click()
    page.wait_for_text("landmarks")


NAME = "<img src=x onerror=alert(1)><b>bold" + " and very long" * 20


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with 150 tracks whose tags are a stranger's."""
    folder = tmp_path_factory.mktemp("crowd")
    program = Program(str(folder / "library.db"), folder)
    tags = {"artist": NAME, "album": NAME, "genre": NAME}
    vectors = [[1, k / 150, (k % 20) / 20] for k in range(150)]
    add_fake_tracks(
        program.url, [FakeTrack(f"{NAME} {k}", **tags, vector=v) for k, v in enumerate(vectors)]
    )
    with serving(program) as server:
        yield server


@pytest.fixture
def crowded(browser: Any, crowd: Server) -> Iterator[Page]:
    page = Page(browser.new_page(viewport={"width": 390, "height": 780}), crowd.url)
    yield page
    page.tab.close()
    assert page.errors == []


def test_tags_are_text_and_never_markup(crowded: Page) -> None:
    page, album = crowded, urlencode({"album": NAME, "artist": NAME})
    views = ["library", "library/albums", "library/artists", f"library/album?{album}"]
    for view in [
        *views,
        f"library/artist?{urlencode({'name': NAME})}",
        "track/1",
        "discover?q=bold",
    ]:
        page.open(view)
        page.tab.locator("main h1").first.wait_for()
        page.wait_for_text(NAME)
        assert page.overflow() <= 0, view
        assert page.tab.locator("b, img[src=x]").count() == 0, view


def test_a_library_without_analyses_says_that_nothing_is_compared(crowded: Page) -> None:
    crowded.open("track/1")
    crowded.wait_for_text("No other track is analysed yet")
    crowded.tab.get_by_role("link", name="The job Analyse does that.").click()
    crowded.tab.locator("main h1").filter(has_text="Jobs").wait_for()


PERFORMANCES = {
    "studio": perform(1, 0, 1.0, 6),
    "<b>live</b>": perform(1, 3, 1.2, 2),
    "other": perform(2, 0, 1.0, 6),
    "jingle": perform(3, 0, 1.0, 6)[: 6 * PERFORMANCE_SR],
}


@pytest.fixture(scope="module")
def repertoire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two performances of one piece; the first one is not analysed yet."""
    folder = tmp_path_factory.mktemp("repertoire")
    program = Program(str(folder / "library.db"), folder)
    for number, (title, samples) in enumerate(PERFORMANCES.items()):
        path = folder / f"{number}.flac"
        soundfile.write(path, samples, PERFORMANCE_SR)
        file = mutagen.File(path)
        file.update({"title": title, "artist": "Band"})
        file.save()
        program("index", path)
    program("analyze", "2", "3")
    with serving(program) as server:
        yield server


@pytest.fixture
def stage(browser: Any, repertoire: Server) -> Iterator[Page]:
    page = Page(browser.new_page(viewport={"width": 390, "height": 780}), repertoire.url)
    yield page
    page.tab.close()
    assert page.errors == []


def test_a_track_shows_its_versions_and_plays_the_passage_of_both(stage: Page) -> None:
    stage.open("track/1")
    version = stage.tab.locator(".version")
    version.wait_for()
    assert version.locator(".name").inner_text() == "<b>live</b>"
    assert "3 semitones higher, 17 % faster" in version.inner_text()
    assert stage.overflow() <= 0
    version.get_by_role("button", name="Play <b>live</b> from").click()
    stage.wait_until_it_plays()
    assert stage.tab.title().startswith("<b>live</b>")
    version.get_by_role("button", name="Play studio from").click()
    stage.tab.wait_for_function("() => document.title.startsWith('studio')")


def test_a_clip_of_another_performance_gets_the_piece(stage: Page, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "cover.flac", perform(2, 2, 1.1, 3), PERFORMANCE_SR)
    stage.open("identify")
    stage.tab.set_input_files("input[type=file]", tmp_path / "cover.flac")
    stage.wait_for_text("The same piece in another recording")
    version = stage.tab.locator(".version")
    assert version.locator(".name").inner_text() == "other"
    assert "2 semitones lower" in version.inner_text()
    assert stage.overflow() <= 0
    version.get_by_role("button", name="Play other from").click()
    stage.wait_until_it_plays()


def test_the_command_gets_versions_from_a_service(repertoire: Server) -> None:
    cover = perform(2, 2, 1.1, 3), PERFORMANCE_SR
    asked = {"min_confidence": 0.95, "all_matches": False}
    with RemoteServer(repertoire.url) as service:
        found = service.recognize(cover, versions=True, **asked)
        assert found.versions is not None
        assert [version.track.title for version in found.versions] == ["other"]
        assert service.recognize(cover, **asked).versions is None


def test_a_track_without_a_version_says_what_was_compared(stage: Page) -> None:
    stage.open("track/3")
    stage.wait_for_text("None found: no other of the")
    stage.open("track/4")
    stage.wait_for_text("Versions need 15 seconds of music.")


def test_the_way_back_leads_to_the_same_place_of_a_list(crowded: Page) -> None:
    page = crowded
    page.open("library?q=bold")
    page.wait_for_text("150 tracks")
    page.tab.evaluate("scrollTo(0, 6000)")
    page.tab.locator(".slot .name").first.wait_for()
    place = page.tab.evaluate("scrollY")
    assert page.tab.locator(".slot").count() < 60
    page.tab.locator(".slot .name").nth(12).click()
    page.tab.locator(".hero h1").wait_for()
    assert page.tab.evaluate("scrollY") == 0
    page.tab.go_back()
    page.tab.wait_for_function("place => Math.abs(scrollY - place) < 2", arg=place)
