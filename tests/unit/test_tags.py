"""Tags of every format, written by mutagen or FFmpeg into files made here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import ID3, TALB, TCON, TDRC, TIT2, TPE1, TRCK, TYER, UFID
from mutagen.mp4 import MP4FreeForm

from fingerprinter.audio import read_cover, read_tags
from fingerprinter.types import Tags

MBID = "9d3e2a6b-0a4c-4d6f-8f0e-1234567890ab"
FULL = Tags("Für Elise 🎹", "Ludwig", "Bagatellen", 3, 1810, "Classical", MBID)
CODECS = {
    "mp3": "libmp3lame",
    "flac": "flac",
    "opus": "libopus",
    "m4a": "aac",
    "wma": "wmav2",
    "wv": "wavpack",
    "wav": "pcm_s16le",
    "aiff": "pcm_s16be",
    "mka": "flac",
}


def encode(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """0.2 s of silence at 48 kHz."""
    with av.open(str(path), "w") as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(CODECS[path.suffix[1:]], rate=48_000, layout="mono")
        stream.bit_rate = 64_000
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "mono")
        silence.sample_rate, silence.pts = 48_000, 0
        frame_size = stream.codec_context.frame_size or None
        form = stream.format.name if stream.format else "s16"
        for frame in av.AudioResampler(form, "mono", 48_000, frame_size).resample(silence):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def id3_frames() -> list[Any]:
    return [
        TIT2(encoding=3, text=FULL.title),
        TPE1(encoding=3, text=FULL.artist),
        TALB(encoding=3, text=FULL.album),
        TRCK(encoding=0, text="3/12"),
        TDRC(encoding=0, text="1810-04-27"),
        TCON(encoding=0, text="(32)"),  # ID3v1's number for Classical
        UFID(owner="http://musicbrainz.org", data=MBID.encode()),
    ]


def tag_id3(path: Path, version: int = 4) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for frame in id3_frames():
        file.tags.add(frame)
    if version == 3:
        file.tags.update_to_v23()
    file.save(v2_version=version)


def tag_id3_version_3(path: Path) -> None:
    tag_id3(path, version=3)


def tag(values: dict[str, Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        file = mutagen.File(path)
        if file.tags is None:
            file.add_tags()
        file.tags.update(values)
        file.save()

    return write


VORBIS = tag(
    {
        "TITLE": [FULL.title],
        "artist": [FULL.artist, "somebody else"],
        "ALBUM": [FULL.album],
        "TRACKNUMBER": ["03"],
        "DATE": ["1810"],
        "GENRE": [FULL.genre],
        "MUSICBRAINZ_TRACKID": [MBID.upper()],
    }
)
MP4 = tag(
    {
        "©nam": FULL.title,
        "©ART": FULL.artist,
        "©alb": FULL.album,
        "trkn": [(3, 12)],
        "©day": "1810-04-27T00:00:00Z",
        "©gen": FULL.genre,
        "----:com.apple.iTunes:MusicBrainz Track Id": MP4FreeForm(MBID.encode()),
    }
)
ASF = tag(
    {
        "Title": FULL.title,
        "Author": FULL.artist,
        "WM/AlbumTitle": FULL.album,
        "WM/TrackNumber": 3,
        "WM/Year": "1810",
        "WM/Genre": FULL.genre,
        "MusicBrainz/Track Id": MBID,
    }
)
APE = tag(
    {
        "Title": FULL.title,
        "Artist": [FULL.artist, "somebody else"],
        "Album": FULL.album,
        "Track": "3/12",
        "Year": "1810",
        "Genre": FULL.genre,
        "MUSICBRAINZ_TRACKID": MBID,
    }
)
WRITERS = [
    ("mp3", tag_id3),
    ("mp3", tag_id3_version_3),
    ("wav", tag_id3),
    ("aiff", tag_id3),
    ("flac", VORBIS),
    ("opus", VORBIS),
    ("m4a", MP4),
    ("wma", ASF),
    ("wv", APE),
]


@pytest.mark.parametrize(("suffix", "write"), WRITERS)
def test_every_tag_format_gives_the_same_tags(
    suffix: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    path = encode(tmp_path / f"x.{suffix}")
    assert read_tags(path) == Tags()
    write(path)
    assert read_tags(path) == FULL


@pytest.mark.parametrize("suffix", ["wav", "mka"])
def test_ffmpeg_reads_tags_that_mediafile_does_not_find(suffix: str, tmp_path: Path) -> None:
    metadata = {"title": "Für Elise", "artist": "Ludwig", "date": "1810", "track": "3"}
    path = encode(tmp_path / f"x.{suffix}", metadata)  # RIFF INFO, Matroska
    assert read_tags(path) == Tags("Für Elise", "Ludwig", track_number=3, year=1810)


def test_ape_tags_at_the_end_of_an_mp3(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp3")
    ID3(path).delete()
    ape = APEv2()
    ape["Title"], ape["Year"] = "Für Elise", "1810"
    ape.save(path)
    assert read_tags(path) == Tags("Für Elise", year=1810)


def test_id3v1_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp3")
    ID3(path).delete()
    fields = b"Elise".ljust(30, b"\0") + b"Ludwig".ljust(30, b"\0") + bytes(30) + b"1810"
    path.write_bytes(path.read_bytes() + b"TAG" + fields + bytes(28) + b"\0\3" + b"\x20")
    assert read_tags(path) == Tags("Elise", "Ludwig", None, 3, 1810, "Classical")


DATES = [
    ("1999", 1999),
    ("1999-05-01", 1999),
    ("1999-05-01T12:30:00Z", 1999),
    ("01/05/1999", 1999),
    ("1.5.1999", 1999),
    ("19990501", 1999),
    ("May 1999", 1999),
    ("1999/2001", 1999),
    ("℗ 1999 Label", 1999),
    ("0000", None),
    ("99", None),
    ("123456", None),
    ("unknown", None),
]


@pytest.mark.parametrize(("text", "year"), DATES)
def test_the_year_of_any_form_of_date(text: str, year: int | None, tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac")
    tag({"DATE": [text]})(path)
    assert read_tags(path).year == year


NUMBERS = [
    ("7", 7),
    ("07", 7),
    ("7/12", 7),
    (" 7 of 12", 7),
    ("0", None),
    ("A1", None),
    ("", None),
    ("20240101", None),
    ("-1", None),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_the_track_number(text: str, number: int | None, tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac")
    tag({"TRACKNUMBER": [text]})(path)
    assert read_tags(path).track_number == number


TEXTS = [
    ("Für Elise", "Für Elise"),
    ("  Für \t Elise\n", "Für Elise"),
    ("Elise\0\0\0", "Elise"),
    ("\0Elise", "Elise"),
    ("Elise\0Therese", "Elise"),
    ("\x1b[31mEl\x7fise\x85", "[31mEl ise"),
    ("   ", None),
    ("\0\x01\x02", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "title"), TEXTS)
def test_control_characters_are_removed_from_texts(
    text: str, title: str | None, tmp_path: Path
) -> None:
    path = encode(tmp_path / "x.opus")
    tag({"TITLE": [text]})(path)
    assert read_tags(path).title == title


@pytest.mark.parametrize("mbid", ["", "not one", MBID[:-1], MBID + "0", MBID.replace("-", "_")])
def test_only_a_uuid_is_a_recording_id(mbid: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac")
    tag({"MUSICBRAINZ_TRACKID": [mbid]})(path)
    assert read_tags(path).mbid is None


def test_the_year_is_read_where_the_date_is_empty(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp3")
    tags = ID3(path)
    tags.setall("TYER", [TYER(encoding=0, text="1810")])
    tags.save(path, v2_version=3)
    assert read_tags(path).year == 1810
    flac = encode(tmp_path / "x.flac")
    tag({"DATE": [""], "YEAR": ["1810"]})(flac)
    assert read_tags(flac).year == 1810


def test_a_missing_file_and_a_file_without_audio_have_no_tags(tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_bytes(b"no sound" * 100)
    for path in (tmp_path / "no.mp3", tmp_path, tmp_path / "x.mp3", Path("a\0b")):
        assert read_tags(path) == Tags()


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("tags")
    paths = [encode(folder / f"{i}.{suffix}") for i, (suffix, _) in enumerate(WRITERS)]
    for path, (_, write) in zip(paths, WRITERS, strict=True):
        write(path)
    return paths


@settings(max_examples=80, derandomize=True)
@given(data=st.data())
def test_a_broken_tag_never_raises(data: st.DataObject, tagged: list[Path]) -> None:
    path = data.draw(st.sampled_from(tagged))
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 30))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    broken = path.with_name(f"broken{path.suffix}")
    broken.write_bytes(damaged)
    tags = read_tags(broken)
    for text in (tags.title, tags.artist, tags.album, tags.genre):
        assert text is None or (text == " ".join(text.split()) and text.encode("utf-8"))


def test_broken_tags_are_not_logged(
    tagged: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A program without a logging configuration prints what is logged as an error."""
    rng = np.random.default_rng(3)
    for path in tagged:
        for _ in range(10):
            damaged = bytearray(path.read_bytes())
            for at in rng.integers(len(damaged), size=20):
                damaged[at] = rng.integers(256)
            broken = tmp_path / path.name
            broken.write_bytes(damaged)
            read_tags(broken)
    assert not caplog.records


# --- several blocks of tags in one file -------------------------------------------------

LONG = "A title that is longer than thirty letters"


def id3v1(title: str, artist: str, album: str, year: str) -> bytes:
    texts = (each.encode("latin-1")[:30].ljust(30, b"\0") for each in (title, artist, album))
    return b"TAG" + b"".join(texts) + year.encode() + bytes(30) + b"\xff"


def chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def with_info(path: Path, info: bytes, *others: bytes) -> Path:
    """A WAV file with a LIST INFO chunk and others."""
    body = path.read_bytes()[12:] + chunk(b"LIST", b"INFO" + info) + b"".join(others)
    path.write_bytes(b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WAVE" + body)
    return path


def test_each_field_comes_from_the_best_block_that_has_it(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp3")
    file = ID3()
    file.add(TCON(encoding=0, text="Rock"))
    file.add(TPE1(encoding=0, text=" "))
    file.save(path, v1=0)
    ape = APEv2()
    ape["Title"], ape["Genre"] = LONG, "Pop"
    ape.save(path)
    path.write_bytes(path.read_bytes() + id3v1(LONG, "The Artist", "Album", "1999"))
    assert read_tags(path) == Tags(LONG, "The Artist", "Album", year=1999, genre="Rock")


def test_info_beside_id3_of_a_wav_file(tmp_path: Path) -> None:
    genre = ID3()
    genre.add(TCON(encoding=0, text="Rock"))
    genre.save(tmp_path / "genre", v1=0)
    info = chunk(b"INAM", b"The Title\0") + chunk(b"IART", "Björk\0".encode("cp1252"))
    id3 = chunk(b"id3 ", (tmp_path / "genre").read_bytes())
    tags = read_tags(with_info(encode(tmp_path / "x.wav"), info, id3))
    assert (tags.title, tags.artist, tags.genre) == ("The Title", "Björk", "Rock")


@pytest.mark.parametrize(
    ("values", "year"),
    [
        ({"DATE": ["12"], "YEAR": ["2020"]}, 2020),
        ({"DATE": ["Unknown"], "YEAR": ["1987"]}, 1987),
    ],
)
def test_the_first_date_with_a_year_counts(
    values: dict[str, list[str]], year: int | None, tmp_path: Path
) -> None:
    path = encode(tmp_path / "x.flac")
    tag(values)(path)
    assert read_tags(path).year == year


@pytest.mark.parametrize(("frame", "text"), [("TYER", "1999 "), ("TDRL", "1999-06-07")])
def test_the_year_of_id3_frames(frame: str, text: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp3")
    body = b"\0" + text.encode()
    data = frame.encode() + len(body).to_bytes(4, "big") + b"\0\0" + body
    header = b"ID3\3\0\0" + bytes((0, 0, 0, len(data)))
    path.write_bytes(header + data + path.read_bytes())
    assert read_tags(path).year == 1999


@pytest.mark.parametrize("name", ["DATE_RELEASED", "DATE_RECORDED"])
def test_the_dates_of_matroska(name: str, tmp_path: Path) -> None:
    assert read_tags(encode(tmp_path / "x.mka", {name: "1988-02-03"})).year == 1988


def test_byte_order_marks_are_removed(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac")
    tag({"TITLE": ["\ufeffBom"]})(path)
    assert read_tags(path).title == "Bom"


def test_album_artist_disc_isrc_label_and_cover(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac")
    tag(
        {
            "ALBUMARTIST": ["Various"],
            "DISCNUMBER": ["2/3"],
            "ISRC": ["us-rc1-76-07839"],
            "LABEL": ["A Label"],
        }
    )(path)
    picture = Picture()
    picture.data, picture.type, picture.mime = b"\x89PNG picture", 3, "image/png"
    file = mutagen.File(path)
    file.add_picture(picture)
    file.save()
    assert read_cover(path) == picture.data
    assert read_tags(path) == Tags(
        album_artist="Various",
        disc_number=2,
        isrc="USRC17607839",
        label="A Label",
        cover=hashlib.sha256(picture.data).hexdigest(),
    )
    assert read_cover(encode(tmp_path / "x.wav")) is None
