"""The index against plain NumPy, and its file against everything that happens to files."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprinter.embedding import VectorIndex
from fingerprinter.embedding.whitening import whitening
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]

DIM = 12
LIBRARY, REVISION, MODEL = "a library", 7, "a model"


def vectors(n: int, seed: int = 0) -> Floats:
    """Correlated, off centre, unevenly wide: as the layers of a network are."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((n, DIM)) @ rng.standard_normal((DIM, DIM))
    return (mixed * rng.uniform(0.1, 3, DIM) + rng.uniform(-2, 2, DIM)).astype(np.float32)


def built(n: int, seed: int = 0) -> VectorIndex:
    return VectorIndex.build(np.arange(n) * 10, vectors(n, seed))


def load(directory: Path, revision: int = REVISION) -> VectorIndex | None:
    return VectorIndex.load(directory, LIBRARY, revision, MODEL)


# Similarity


def plain_similarities(rows: Floats) -> npt.NDArray[np.float64]:
    """The same by the book: z-score, ZCA by the matrix square root, cosine."""
    rows = rows.astype(np.float64)
    mean = rows.sum(axis=0) / (len(rows) + 10)
    deviation = np.sqrt((((rows - mean) ** 2).sum(axis=0) + 10) / (len(rows) + 10))
    z = (rows - mean) / deviation
    left, values, _ = np.linalg.svd(z.T @ z / len(rows) + np.eye(DIM))
    white = z @ left @ np.diag(values**-0.5) @ left.T
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    similarities: npt.NDArray[np.float64] = white @ white.T
    return similarities


@pytest.mark.parametrize("n", [1, 2, 3, 10, 200])
def test_similarities_are_those_of_the_book(n: int) -> None:
    rows, index = vectors(n), built(n)
    expected = plain_similarities(rows)
    for query, similarities in zip(rows, expected, strict=True):
        ids, found = index.search(query, n)
        order = np.argsort(-similarities)
        np.testing.assert_array_equal(ids, order * 10)
        np.testing.assert_allclose(found, similarities[order], atol=1e-5)


@given(n=st.integers(1, 60), seed=st.integers(0, 100), k=st.integers(0, 70))
def test_a_track_is_most_like_itself(n: int, seed: int, k: int) -> None:
    index, query = built(n, seed), vectors(n, seed)[n // 2]
    ids, similarities = index.search(query, k)
    assert len(ids) == len(similarities) == min(k, n)
    assert (np.diff(similarities) <= 0).all()
    assert (np.abs(similarities) <= 1).all()
    if k:
        assert ids[0] == n // 2 * 10
        assert similarities[0] == pytest.approx(1, abs=1e-5)


@given(excluded=st.sets(st.integers(-5, 25).map(lambda i: i * 10)), k=st.integers(0, 30))
def test_excluded_tracks_make_room_for_the_next(excluded: set[int], k: int) -> None:
    index, query = built(20), vectors(20)[0]
    everything, _ = index.search(query, 20)
    expected = [i for i in everything if i not in excluded][:k]
    assert index.search(query, k, excluded)[0].tolist() == expected


@pytest.mark.parametrize("dim", [0, DIM])
def test_empty_library(dim: int, tmp_path: Path) -> None:
    index = VectorIndex.build(np.empty(0, np.int64), np.empty((0, dim), np.float32))
    index.save(tmp_path, LIBRARY, REVISION, MODEL)
    for each in (index, load(tmp_path)):
        assert each is not None
        assert len(each) == 0
        ids, similarities = each.search(np.ones(dim, np.float32), 5)
        assert len(ids) == len(similarities) == 0


def test_two_like_tracks_stay_alike() -> None:
    """Their own statistics alone would make any two tracks opposites."""
    rows = vectors(1).repeat(2, axis=0)
    rows[1] += 0.01
    index = VectorIndex.build(np.arange(2), rows)
    assert index.search(rows[0], 2)[1][1] > 0.99


def test_a_dimension_that_never_varies_says_nothing() -> None:
    rows = vectors(100)
    rows[:, 3] = 0
    fewer = VectorIndex.build(np.arange(100), np.delete(rows, 3, axis=1))
    index = VectorIndex.build(np.arange(100), rows)
    ids, similarities = index.search(rows[0], 100)
    expected_ids, expected = fewer.search(np.delete(rows[0], 3), 100)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(similarities, expected, atol=1e-5)


def test_whitening_levels_the_principal_axes() -> None:
    rows = vectors(5000)
    matrix, offset = whitening(rows)
    before = np.linalg.eigvalsh(np.corrcoef(rows.T))
    after = np.linalg.eigvalsh(np.cov((rows @ matrix.T + offset).T))
    np.testing.assert_allclose(after, before / (before + 1), rtol=0.02)


def test_standardised_vectors_multiply_to_similarities() -> None:
    rows, index = vectors(30), built(30)
    standard = index.standardise(rows)
    ids, similarities = index.search(rows[4], 30)
    np.testing.assert_allclose(standard[ids // 10] @ standard[4], similarities, atol=1e-5)


# The file


def test_what_was_saved_answers_alike(tmp_path: Path) -> None:
    index = built(50)
    manifest = index.save(tmp_path, LIBRARY, REVISION, MODEL)
    loaded = load(tmp_path)
    assert loaded is not None
    assert (manifest.count, manifest.dim) == (len(loaded), loaded.dim) == (50, DIM)
    for query in vectors(5, seed=1):
        for ours, theirs in zip(index.search(query, 9), loaded.search(query, 9), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "state",
    [("another", REVISION, MODEL), (LIBRARY, REVISION + 1, MODEL), (LIBRARY, REVISION, "another")],
)
def test_an_index_of_another_state_is_not_read(tmp_path: Path, state: tuple[str, int, str]) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    assert VectorIndex.load(tmp_path, *state) is None


def test_an_index_of_another_format_is_not_read(tmp_path: Path) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    manifest = tmp_path / "manifest.json"
    fields = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(fields | {"format": fields["format"] + 1}))
    assert load(tmp_path) is None


def test_nothing_there(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert load(tmp_path / "no folder") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.data())
def test_any_flipped_bit_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    name = built(5).save(tmp_path, LIBRARY, REVISION, MODEL).file_name
    content = bytearray((tmp_path / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / name).write_bytes(content)
    assert load(tmp_path) is None
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    assert load(tmp_path) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"format": 1}'])
def test_a_broken_manifest_is_no_manifest(tmp_path: Path, text: str) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    (tmp_path / "manifest.json").write_text(text)
    assert load(tmp_path) is None


def test_a_lost_or_shortened_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / built(5).save(tmp_path, LIBRARY, REVISION, MODEL).file_name
    os.truncate(path, path.stat().st_size // 2)
    assert load(tmp_path) is None
    path.unlink()
    assert load(tmp_path) is None


def test_the_replaced_file_goes_and_its_readers_stay(tmp_path: Path) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    reader = load(tmp_path)
    now = built(6).save(tmp_path, LIBRARY, REVISION + 1, MODEL)
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", now.file_name}
    assert reader is not None
    assert reader.search(vectors(5)[3], 1)[0] == [30]


def test_only_old_litter_is_swept(tmp_path: Path) -> None:
    for name, age_s in [("old.tmp", 7200), ("old.faiss", 7200), ("new.tmp", 60), ("my.txt", 7200)]:
        (tmp_path / name).touch()
        then = (tmp_path / name).stat().st_mtime - age_s
        os.utime(tmp_path / name, (then, then))
    now = built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"manifest.json", now.file_name, "new.tmp", "my.txt"}


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(index: object, path: str) -> None:
        Path(path).write_bytes(b"half an ind")
        raise RuntimeError("write error: No space left on device")

    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setattr(faiss, "write_index", disk_full)
    with pytest.raises(ModelError, match=r"not written \(.*No space left.*\); free some space"):
        built(6).save(tmp_path, LIBRARY, REVISION + 1, MODEL)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert load(tmp_path) is not None


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="the vector index was not written"):
        built(5).save(tmp_path / "file" / "folder", LIBRARY, REVISION, MODEL)


def test_many_writers_leave_one_whole_index(tmp_path: Path) -> None:
    """Each of eight writers has its own revision; a reader finds one of them whole, or none."""

    def write(revision: int) -> None:
        built(revision + 1).save(tmp_path, LIBRARY, revision, MODEL)

    with ThreadPoolExecutor(8) as executor:
        writers = [executor.submit(write, revision) for revision in range(8)]
        while not all(writer.done() for writer in writers):
            for revision in range(8):
                index = load(tmp_path, revision)
                assert index is None or len(index) == revision + 1
    for writer in writers:
        writer.result()
    found = [index for index in (load(tmp_path, revision) for revision in range(8)) if index]
    assert len(found) == 1
    assert not list(tmp_path.glob("*.tmp"))
