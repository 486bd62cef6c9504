"""`Library.search` by names and with a text-audio model, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_library import FakeTrack, add_fake_tracks
from text_model import HIGH_HZ, LOW_HZ, SR, make_text_model

from fingerprinter import open_library
from fingerprinter.embedding import FolderTextAudioModel
from fingerprinter.errors import ModelError, UsageError
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import library_metadata, vectors
from fingerprinter.types import Neighbour


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    return make_text_model(tmp_path / "model")


def titles(found: Sequence[Neighbour]) -> list[str | None]:
    return [each.track.title for each in found]


NAMED_TRACKS = [
    FakeTrack("Somebody's Live", "Jam"),
    FakeTrack("Live", "Somebody"),
    FakeTrack("Homogenic Live Jam", "Nobody"),
    FakeTrack("Live Homogenic", "Nobody"),
    FakeTrack("Homogenic", "Nobody"),
    FakeTrack("Jóga", "Björk"),
    FakeTrack("RainyDay", "AC/DC"),
    FakeTrack("The Song"),
]


def test_names_are_found_in_the_full_text_index(library_url: str) -> None:
    add_fake_tracks(library_url, NAMED_TRACKS)
    answers = {
        # the same name, a name that starts so, one that has these words, one that has all of them
        "homogenic": ["Homogenic", "Homogenic Live Jam", "Live Homogenic"],
        "live jam": ["Homogenic Live Jam", "Somebody's Live"],
        "LIVE SOMEB": ["Somebody's Live", "Live"],
        "joga bjork": ["Jóga"],  # without accents
        "bjö": ["Jóga"],  # the beginning of a word
        "ac dc": ["RainyDay"],
        "rainy": ["RainyDay"],
        "the song": ["The Song"],  # words that describe no sound
    }
    with open_library(library_url, read_only=True) as library:
        for words, expected in answers.items():
            assert titles(library.search(words, len(expected)).results) == expected, words
        assert not library.search("zz top").results


def test_misspelt_words_are_corrected_by_the_words_of_the_names(library_url: str) -> None:
    add_fake_tracks(library_url, NAMED_TRACKS)
    with open_library(library_url, read_only=True) as library:
        for words, right in (("homogneic", "homogenic"), ("somebdy", "somebody")):
            found = library.search(words)
            assert found.notes == (f"{words}: taken for {right}",)
            assert found.results
        found = library.search("xylophone live")
    assert found.notes == ("xylophone: no tag of the model and no name of the library",)


def test_search_sees_what_was_added_and_removed(library_url: str) -> None:
    add_fake_tracks(library_url, NAMED_TRACKS)
    with open_library(library_url) as library:
        assert titles(library.search("joga").results) == ["Jóga"]
        (new,) = add_fake_tracks(library_url, [FakeTrack("Joga again")])
        assert titles(library.search("joga").results) == ["Jóga", "Joga again"]
        library.remove([new])
        assert titles(library.search("joga").results) == ["Jóga"]


# Tracks, and their low and high components in the space of the model.
FAKE_TRACKS = [
    (FakeTrack("Cellar", "Nobody"), (9, 1)),
    (FakeTrack("Stairs", "Deep Blue"), (5, 5)),
    (FakeTrack("Attic", "Nobody"), (1, 9)),
    (FakeTrack("Roof", "Deep Blue"), (0, 9)),
]


@pytest.fixture
def fake_library(library_url: str, model: Path) -> str:
    ids = add_fake_tracks(library_url, [track for track, _ in FAKE_TRACKS])
    digest = FolderTextAudioModel(model).digest
    with Database.open(library_url) as database, database.begin() as connection:
        for track_id, (_, sound) in zip(ids, FAKE_TRACKS, strict=True):
            unit = np.array(sound, np.float32) / np.linalg.norm(sound)
            vectors.put(connection, track_id, digest, unit, np.empty(0, np.float32))
        library_metadata.bump_revision(connection)
    return library_url


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("something high", ["Roof", "Attic", "Stairs"]),
        ("no high", ["Cellar", "Stairs", "Attic", "Roof"]),
        (
            "deep blue high",
            ["Roof", "Stairs", "Attic", "Cellar"],
        ),  # tracks by the artist come first
        ("attic", ["Attic"]),
    ],
)
def test_tracks_are_ranked_by_the_text_audio_model(
    fake_library: str, model: Path, words: str, expected: list[str]
) -> None:
    with open_library(fake_library, text_model=model) as library:
        found = library.search(words)
    assert titles(found.results)[: len(expected)] == expected
    assert not found.notes


def test_tags_are_used_without_a_text_audio_model(fake_library: str) -> None:
    with open_library(fake_library) as library:
        assert library.search("low").notes == (
            "low: no tag of the model and no name of the library",
        )


def test_a_model_without_stored_vectors_is_an_error(library_url: str, model: Path) -> None:
    add_fake_tracks(library_url, [track for track, _ in FAKE_TRACKS])
    with (
        open_library(library_url, text_model=model) as library,
        pytest.raises(ModelError, match="no track has an embedding of this text-audio model"),
    ):
        library.search("low")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for name, hz in (("a", LOW_HZ), ("b", HIGH_HZ)):
        samples = 0.1 * np.sin(2 * np.pi * hz * np.arange(4 * SR) / SR)
        soundfile.write(folder / f"{name}.flac", samples, SR)
    return folder


def test_index_adds_vectors_of_a_new_model_to_known_tracks(
    library_url: str, model: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_library(library_url) as library:
        library.index([music / "a.flac"], jobs=1)
    monkeypatch.setenv("FINGERPRINTER_TEXT_MODEL", str(model))
    with open_library(library_url) as library:
        report = library.index([music], jobs=1)
        assert (report.indexed, report.updated, report.problems) == (1, 1, ())
        assert library.index([music], jobs=1).skipped == 2
        for words, first in (("low", "a"), ("high", "b")):
            best = library.search(words).results[0].track
            assert best.path == str(music / f"{first}.flac")


def test_an_unusable_model_stops_index_at_once(library_url: str, model: Path, music: Path) -> None:
    (model / "text.onnx").unlink()
    with open_library(library_url, text_model=model) as library:
        with pytest.raises(ModelError, match=r"text\.onnx: No such file"):
            library.index([music])
        with pytest.raises(UsageError, match="workers of a scheduler do not have it"):
            library.index([music], scheduler="tcp://127.0.0.1:1")
        assert library.index([music], embeddings=False, jobs=1).indexed == 2
