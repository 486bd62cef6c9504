"""Streams from a station on this computer: titles, HLS, redirects, and what may be fetched."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from radio import INTERVAL, SR, Answer, Radio, encoded, radio, with_titles
from synthetic import play
from waiting import until

from fingerprinter.audio import open_audio
from fingerprinter.audio.streams import addresses, sources, web
from fingerprinter.audio.streams.addresses import is_public, resolve, shown_address
from fingerprinter.audio.streams.hls import HlsPlace, read_hls
from fingerprinter.audio.streams.icy import parse_title, split_titles
from fingerprinter.audio.streams.sources import open_source
from fingerprinter.audio.streams.web import Web
from fingerprinter.errors import AudioError, UsageError

MPEG = {"Content-Type": "audio/mpeg"}
HLS = {"Content-Type": "application/vnd.apple.mpegurl"}
PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "::1"),
    *("fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
]


@pytest.fixture
def station() -> Iterator[Radio]:
    with radio() as running:
        yield running


@pytest.fixture
def nothing_is_left(station: Radio) -> Iterator[None]:
    """No thread of the listener outlives a test; the station has one for each connection."""
    before = set(threading.enumerate())
    yield
    left = {"feed", "stop"}
    until(lambda: not any(t.name in left for t in set(threading.enumerate()) - before))


def listen(url: str, **options: Any) -> tuple[float, list[str | None]]:
    """Seconds of sound of one connection, and what was claimed, each once."""
    blocks = list(open_source(url, **options).blocks(SR, threading.Event()))
    claimed = dict.fromkeys(block.claimed for block in blocks)
    return sum(len(block.samples) for block in blocks) / SR, list(claimed)


def segment(seed: int) -> bytes:
    return encoded(play(seed, 2.0), "aac", "mpegts")


def playlist(*lines: str, end: bool = True) -> bytes:
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return (head + "\n".join(lines) + ("\n#EXT-X-ENDLIST\n" if end else "\n")).encode()


# --- Icecast --------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(1, 40), max_size=30))
def test_titles_are_found_however_the_stream_is_cut(cuts: list[int]) -> None:
    sound = bytes(range(100))
    stream = with_titles(sound, ["A", "", "B's"], 20)
    borders = np.cumsum([0, *cuts, len(stream)]).tolist()
    chunks = [stream[a:b] for a, b in pairwise(borders)]
    pieces = list(split_titles(chunks, 20))
    assert b"".join(each for each in pieces if isinstance(each, bytes)) == sound
    assert [each for each in pieces if isinstance(each, str)] == ["A", "", "B's"]


@pytest.mark.parametrize(
    ("block", "title"),
    [
        (b"StreamTitle='Caf\xc3\xa9';StreamUrl='x';", "Café"),
        (b"StreamTitle='Caf\xe9';", "Café"),
        (b"StreamUrl='x';", None),
    ],
)
def test_a_title_is_utf_8_or_latin_1(block: bytes, title: str | None) -> None:
    assert parse_title(block) == title


def test_a_station_tells_its_name_and_titles(station: Radio) -> None:
    titles = ["First", "\x1b[31mSecond"]
    body = with_titles(encoded(play(1, 6.0)), titles)
    headers = MPEG | {"icy-metaint": str(INTERVAL), "icy-name": "Radio \x07 One"}
    station.answers["/live"] = [Answer(body, headers)]
    source = open_source(f"{station.url}/live")
    blocks = list(source.blocks(SR, threading.Event()))
    assert sum(len(each.samples) for each in blocks) / SR == pytest.approx(6.0, abs=0.2)
    assert source.station is not None
    assert source.station.startswith("Radio")
    assert blocks[-1].claimed == "\\x1b[31mSecond"
    assert station.requests[0][1]["Icy-MetaData"] == "1"


@pytest.mark.slow
def test_a_playlist_leads_to_its_station(station: Radio) -> None:
    pls = b"[playlist]\nNumberOfEntries=1\nFile1=/live\nTitle1=x\n"
    station.answers["/radio.pls"] = [Answer(pls, {"Content-Type": "audio/x-scpls"})]
    station.answers["/radio.m3u"] = [Answer(b"#EXTM3U\n/live\n", {"Content-Type": "audio/mpegurl"})]
    station.answers["/live"] = [Answer(encoded(play(1, 3.0)), MPEG)]
    for name in ("radio.pls", "radio.m3u"):
        assert listen(f"{station.url}/{name}")[0] == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(b"<html>no station</html>" * 99, {"Content-Type": "text/html"}), "not audio"),
        (Answer(status=404), "404"),
        (Answer(b"", MPEG), "not audio"),
    ],
)
def test_what_is_no_station_is_told_in_a_line(station: Radio, answer: Answer, problem: str) -> None:
    station.answers["/live"] = [answer]
    with pytest.raises(AudioError, match=problem) as error:
        listen(f"{station.url}/live?token=secret")
    assert "secret" not in str(error.value)


def test_an_endless_redirect_is_told_in_a_line(station: Radio) -> None:
    station.answers["/live"] = [Answer(status=302, headers={"Location": "/live?again"})]
    with pytest.raises(AudioError, match=r"/live: more than 5 redirects$"):
        listen(f"{station.url}/live")
    assert len(station.requests) == 6


def test_a_stream_whose_rate_changes_goes_on(station: Radio) -> None:
    parts = [encoded(play(seed, 4.0), sr=rate) for seed, rate in ((1, 16_000), (2, 32_000))]
    station.answers["/live"] = [Answer(b"".join(parts), MPEG)]
    assert listen(f"{station.url}/live")[0] == pytest.approx(4.0 + 2.0, abs=0.3)


@pytest.mark.usefixtures("nothing_is_left")
def test_a_stream_that_stalls_is_told_after_its_sound(
    station: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "READ_S", 0.3)
    station.answers["/live"] = [Answer(encoded(play(1, 6.0)), MPEG, stalls=True)]
    heard_s = 0.0
    with pytest.raises(AudioError, match=r"/live: no sound for 0.3 s$"):
        for block in open_source(f"{station.url}/live").blocks(SR, threading.Event()):
            heard_s += len(block.samples) / SR
    assert heard_s > 4.0


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("junk", [b"<html>no station</html>", b"\xff\xfb\x90" + bytes(400)])
def test_a_station_that_sends_anything_but_sound_is_left(
    station: Radio, monkeypatch: pytest.MonkeyPatch, junk: bytes
) -> None:
    monkeypatch.setattr(sources, "NO_SOUND_S", 1.0)
    station.answers["/live"] = [Answer(headers=MPEG, endless=junk)]
    with pytest.raises(AudioError, match=r"/live: (no sound for 1 s|not audio)"):
        listen(f"{station.url}/live")


# --- HLS ------------------------------------------------------------------------------


@pytest.mark.slow
def test_hls_is_read_with_discontinuities_and_variants(station: Radio) -> None:
    variants = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000\nlow/live.m3u8\n"
    station.answers["/master.m3u8"] = [Answer(variants, HLS)]
    lines = ["#EXTINF:2,", "a.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:2,", "b.ts"]
    station.answers["/low/live.m3u8"] = [
        Answer(playlist(*lines[:2], end=False), HLS),
        Answer(playlist(*lines), HLS),
    ]
    station.answers["/low/a.ts"] = [Answer(segment(1))]
    station.answers["/low/b.ts"] = [Answer(encoded(play(2, 2.0), "mp2", "mpegts"))]
    assert listen(f"{station.url}/master.m3u8")[0] == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["#EXT-X-KEY:METHOD=AES-128,URI=key", "#EXTINF:2,", "a.ts"], "encrypted"),
        (["#EXTINF:2,", "file:///etc/passwd"], "http"),
        (["#EXTINF:2,", "http://127.0.0.2/a.ts"], "private network"),
    ],
)
def test_each_line_of_a_playlist_is_checked(
    station: Radio, monkeypatch: pytest.MonkeyPatch, lines: list[str], problem: str
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip == "127.0.0.1")
    station.answers["/live.m3u8"] = [Answer(playlist(*lines), HLS)]
    with pytest.raises((AudioError, UsageError), match=problem):
        listen(f"{station.url}/live.m3u8", allow_private=False)


def test_nothing_is_read_twice_when_hls_is_connected_again(station: Radio) -> None:
    station.answers |= {f"/{name}.ts": [Answer(name.encode())] for name in "abcde"}
    place = HlsPlace()

    def read(names: str) -> bytes:
        lines = [line for name in names for line in ("#EXTINF:2,", f"{name}.ts")]
        body, parts = playlist(*lines, end=False), list[bytes | None]()
        station.answers["/live.m3u8"] = [Answer(body, HLS)]
        with Web(allow_private=True) as client, pytest.raises(AudioError, match="does not go on"):
            for part in read_hls(client, f"{station.url}/live.m3u8", body, stopped, place=place):
                parts.append(part)  # what came before the error counts
        return b"".join(filter(None, parts))

    def stopped(_: float) -> bool:
        return False

    assert [read("abcd"), read("abcd"), read("bcde")] == [b"bcd", b"", b"e"]


# --- addresses ------------------------------------------------------------------------


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_addresses_are_refused(ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_public(ip)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (ip, 80))])
    with pytest.raises(AudioError, match="private network"):
        resolve("http://radio.example/", allow_private=False)
    assert resolve("http://radio.example/", allow_private=True).ip == ip


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/a", "http://", "http://host:99999/", "http://[::1"]
)
def test_other_addresses_are_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError):
        open_source(url)


def test_only_addresses_come_over_http() -> None:
    for source in ("/etc/passwd", "-", "mic"):
        with pytest.raises(UsageError, match="no address"):
            open_source(source, local=False)


def test_a_message_never_holds_credentials() -> None:
    assert shown_address("https://me:pw@radio.example/a?key=1#x") == "https://radio.example/a"


def test_redirects_are_checked_and_the_name_is_resolved_once(
    station: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    port = int(station.url.rpartition(":")[2])

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("127.0.0.1" if host == "radio.example" else "127.0.0.2", port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **o: look_up(host) if "example" in str(host) else real(host, *a, **o),
    )
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip == "127.0.0.1")
    station.answers["/a"] = [Answer(status=302, headers={"Location": "/b"})]
    station.answers["/b"] = [Answer(b"body")]
    station.answers["/c"] = [Answer(status=302, headers={"Location": "http://inside.example/"})]
    with Web(allow_private=False) as web, ExitStack() as resources:
        answer = web.get(f"http://me:pw@radio.example:{port}/a", resources)
        assert answer.read(100) == b"body"
        assert asked == ["radio.example"] * 2
        assert station.requests[0][1]["Host"] == f"radio.example:{port}"
        assert station.requests[0][1]["Authorization"].startswith("Basic ")
        with pytest.raises(AudioError, match="private network"):
            web.get(f"http://radio.example:{port}/c", resources)
        with pytest.raises(AudioError, match="larger than 3 bytes"):
            web.get(f"http://radio.example:{port}/b", resources).read(3)


# --- pipes ----------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, int]]:
    """Both ends of a pipe, for reading and for writing."""
    receiver, sender = os.pipe()
    with os.fdopen(receiver, "rb") as file, suppress(OSError):
        yield file, sender
        os.close(sender)


@pytest.mark.slow
def test_a_pipe_gives_sound_before_it_is_closed(pipe: tuple[BinaryIO, int]) -> None:
    os.write(pipe[1], encoded(play(1, 7.0)))  # less than the 64 kB that a pipe holds
    with open_audio(pipe[0]) as audio:
        assert audio.is_live
        assert len(next(audio.blocks(1.0))) == SR


def test_a_pipe_that_needs_its_end_is_read_to_it(pipe: tuple[BinaryIO, int]) -> None:
    os.write(pipe[1], encoded(play(1, 3.0), "aac", "mp4"))
    os.close(pipe[1])
    with open_audio(pipe[0]) as audio:
        assert not audio.is_live
        assert sum(map(len, audio.blocks())) / SR == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("entry", ["http://[", "//[x", "http://h:port/a", "http://\x00", "ftp://h"])
def test_a_playlist_with_an_odd_address_is_told(station: Radio, entry: str) -> None:
    """Such an address ended the listening in a traceback."""
    kind = {"Content-Type": "audio/mpegurl"}
    texts = (
        f"#EXTM3U\n{entry}\n".encode(),
        playlist("#EXTINF:2,", entry),
        f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{entry}\n".encode(),
    )
    for number, text in enumerate(texts):
        station.answers[f"/{number}.m3u8"] = [Answer(text, kind)]
    for name in ("0.m3u8", "1.m3u8", "2.m3u8"):
        with pytest.raises((AudioError, UsageError)) as raised:
            listen(f"{station.url}/{name}")
        assert str(raised.value).isprintable()


def test_an_interval_of_thousands_of_digits_is_none(station: Radio) -> None:
    headers = MPEG | {"icy-metaint": "9" * 5000}
    station.answers["/live"] = [Answer(encoded(play(1, 3.0)), headers)]
    assert listen(f"{station.url}/live")[0] == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("headers", [{}, {"Location": "http://["}, {"Location": "//["}])
def test_a_redirect_to_nowhere_is_told(station: Radio, headers: dict[str, str]) -> None:
    station.answers["/live"] = [Answer(status=302, headers=headers)]
    with pytest.raises((AudioError, UsageError), match=r"302|no address"):
        listen(f"{station.url}/live")
