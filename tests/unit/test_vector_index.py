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
from scipy import stats

from fingerprinter.embedding import IndexManifest, VectorIndex
from fingerprinter.embedding import index as index_module
from fingerprinter.embedding.whitening import RIDGE, whitening
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]

DIM = 12
LIBRARY, REVISION, MODEL = "a library", 7, "a model"


def vectors(n: int, seed: int = 0) -> Floats:
    """Correlated, off centre, unevenly wide: as the layers of a network are."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((n, DIM)) @ rng.standard_normal((DIM, DIM))
    return (mixed * rng.uniform(0.1, 3, DIM) + rng.uniform(-2, 2, DIM)).astype(np.float32)


def built(n: int, seed: int = 0, *, hubs: bool = False) -> VectorIndex:
    return VectorIndex.build(np.arange(n) * 10, vectors(n, seed), hubs=hubs)


def load(directory: Path) -> VectorIndex | None:
    return VectorIndex.load(directory, LIBRARY, MODEL)


# Similarity


def plain_cosines(rows: Floats) -> npt.NDArray[np.float64]:
    """The same by the book: z-score, ZCA by the matrix square root, cosine."""
    rows = rows.astype(np.float64)
    mean = rows.sum(axis=0) / (len(rows) + 10)
    deviation = np.sqrt((((rows - mean) ** 2).sum(axis=0) + 10) / (len(rows) + 10))
    z = (rows - mean) / deviation
    left, values, _ = np.linalg.svd(z.T @ z / len(rows) + RIDGE * np.eye(DIM))
    white = z @ left @ np.diag(values**-0.5) @ left.T
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    cosines: npt.NDArray[np.float64] = white @ white.T
    return cosines


def plain_similarities(rows: Floats) -> npt.NDArray[np.float64]:
    """NICDM by the book: distances over the geometric mean of two mean distances to the nearest."""
    distances = 1 - plain_cosines(rows)
    n = len(rows)
    nearest = np.sort(distances + 9 * np.eye(n), axis=1)[:, : max(10, round(0.05 * n))]
    reach = np.array([row[row < 9].mean() if (row < 9).any() else 1 for row in nearest])
    scaled: npt.NDArray[np.float64] = distances / np.sqrt(reach * reach[:, np.newaxis])
    return np.clip(1 - scaled * reach.mean(), -1, 1)


@pytest.mark.parametrize("hubs", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 300])
def test_similarities_are_those_of_the_book(n: int, hubs: bool) -> None:
    rows, index = vectors(n), built(n, hubs=hubs)
    expected = plain_cosines(rows) if hubs else plain_similarities(rows)
    for query, similarities in zip(rows, expected, strict=True):
        ids, found = index.search(query, n)
        np.testing.assert_allclose(found, np.sort(similarities)[::-1], atol=1e-4)
        np.testing.assert_allclose(similarities[ids // 10], found, atol=1e-4)


def test_hubs_become_rarer() -> None:
    """Of music of a few kinds the tracks that are of none clearly are hubs."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((400, 8)) @ rng.standard_normal((8, 100))
    rows = (kinds * rng.gamma(1, 1, (400, 1)) + rng.standard_normal((400, 100))).astype(np.float32)

    def skew(index: VectorIndex) -> float:
        lists = [index.search(row, 10, exclude=[number])[0] for number, row in enumerate(rows)]
        return float(stats.skew(np.bincount(np.concatenate(lists), minlength=len(rows))))

    assert skew(VectorIndex.build(np.arange(400), rows, hubs=True)) > 0.6
    assert skew(VectorIndex.build(np.arange(400), rows)) < 0.3


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


@given(among=st.sets(st.integers(-5, 25).map(lambda i: i * 10)), k=st.integers(0, 30))
def test_only_some_tracks_may_count(among: set[int], k: int) -> None:
    index, query = built(20), vectors(20)[0]
    everything, _ = index.search(query, 20)
    expected = [i for i in everything if i in among and i != 30][:k]
    found, _ = index.search(query, k, exclude=[30], candidate_ids=np.array(sorted(among), np.int64))
    assert found.tolist() == expected


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
    np.testing.assert_allclose(after, before / (before + RIDGE), rtol=0.02)


def test_standardised_vectors_multiply_to_cosines() -> None:
    rows, index = vectors(30), built(30, hubs=True)
    standard = index.space.standardise(rows)
    ids, similarities = index.search(rows[4], 30)
    np.testing.assert_allclose(standard[ids // 10] @ standard[4], similarities, atol=1e-5)


# Many tracks, and what changes


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many tracks are searched by lists and followed."""
    monkeypatch.setattr(index_module, "EXACT_TRACKS", 1000)
    monkeypatch.setattr(index_module, "MIN_UPDATED_TRACKS", 100)
    return 3000


def test_lists_find_nearly_what_all_comparisons_find(many: int, tmp_path: Path) -> None:
    rows, built_by_lists = vectors(many), built(many)
    assert not built_by_lists.is_exact
    cosines = plain_cosines(rows)
    built_by_lists.save(tmp_path, LIBRARY, REVISION, MODEL)
    hits = 0
    for index in filter(None, (built_by_lists, load(tmp_path))):
        space = index.space
        exact = space.entries(space.standardise(rows))
        for number in range(0, many, 100):
            question = space.query_vector(space.standardise(rows[number : number + 1])[0])
            expected = np.argsort(-(exact @ question))[:10] * 10
            ids, similarities = index.search(rows[number], 10)
            hits += len(np.intersect1d(ids, expected))
            assert (np.diff(similarities) <= 0).all()
            assert cosines[number, ids // 10].mean() > 0.5
    assert hits >= 0.95 * 2 * 10 * many / 100


def test_lists_give_all_that_is_asked_for(many: int) -> None:
    index, query = built(many), vectors(many)[7]
    among = np.arange(0, many, 50) * 10
    ids, _ = index.search(query, many, candidate_ids=among)
    assert sorted(ids.tolist()) == among.tolist()
    ids, _ = index.search(query, many)
    assert len(ids) == many


@pytest.mark.parametrize("exact", [True, False])
def test_what_changed_is_followed(
    many: int, exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "EXACT_TRACKS", many if exact else 1000)
    built(many).save(tmp_path, LIBRARY, REVISION, MODEL)
    before = load(tmp_path)
    assert before is not None
    new = vectors(40, seed=3)
    ids = np.concatenate([np.arange(30, many) * 10, 100_000 + np.arange(40)])
    index = before.update(ids, lambda come: new[come - 100_000])
    assert index is not None
    assert len(index) == many + 10
    manifest = index.save(tmp_path, LIBRARY, REVISION + 1, MODEL)
    for each in (index, load(tmp_path)):
        assert each is not None
        assert each.search(new[5], 1)[0].tolist() == [100_005]
        assert not np.isin(each.search(vectors(many)[5], 50)[0], np.arange(30) * 10).any()
        assert each.search(new[5], 1, exclude=[100_005])[0].tolist() != [100_005]
        assert (
            each.search(new[5], 3, candidate_ids=np.array([10, 300, 100_005]))[0].tolist()[0]
            == 100_005
        )
    assert load(tmp_path).revision == REVISION + 1  # type: ignore[union-attr]
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", *names(manifest)}


def test_a_followed_index_answers_like_one_made_anew_of_the_same_statistics(many: int) -> None:
    rows = vectors(many)
    all_but_some = np.arange(many - 50)
    index = VectorIndex.build(all_but_some, rows[: many - 50]).update(
        np.arange(many), lambda come: rows[come]
    )
    assert index is not None
    space = index.space
    for number in range(0, many, 300):
        question = space.query_vector(space.standardise(rows[number : number + 1])[0])
        products = space.entries(space.standardise(rows)) @ question
        nearest = np.argsort(-products)[:10]
        assert len(np.intersect1d(index.search(rows[number], 10)[0], nearest)) >= 8


def test_too_much_change_asks_for_a_new_index(many: int) -> None:
    index = built(many)
    ids = np.arange(many) * 10
    nothing = np.empty((0, DIM), np.float32)
    assert index.update(ids[: many - 200], lambda _: nothing) is None
    few = built(50)
    assert few.update(np.arange(49) * 10, lambda _: nothing) is None
    assert few.update(np.arange(50) * 10, lambda _: nothing) is not None


# The file


def test_what_was_saved_answers_alike(tmp_path: Path) -> None:
    index = built(50)
    manifest = index.save(tmp_path, LIBRARY, REVISION, MODEL)
    loaded = load(tmp_path)
    assert loaded is not None
    assert (manifest.count, manifest.dim) == (len(loaded), loaded.dim) == (50, DIM)
    assert loaded.revision == REVISION
    for query in vectors(5, seed=1):
        for ours, theirs in zip(index.search(query, 9), loaded.search(query, 9), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "state", [("another", MODEL), (LIBRARY, "another")], ids=["library", "model"]
)
def test_an_index_of_another_state_is_not_read(tmp_path: Path, state: tuple[str, str]) -> None:
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
@given(data=st.data(), part=st.sampled_from(["base", "space", "tail"]))
def test_any_flipped_bit_is_noticed(tmp_path: Path, data: st.DataObject, part: str) -> None:
    name = built(5).save(tmp_path, LIBRARY, REVISION, MODEL).file_name(part)
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


@pytest.mark.parametrize("part", ["base", "space", "tail"])
def test_a_lost_or_shortened_file_is_noticed(tmp_path: Path, part: str) -> None:
    path = tmp_path / built(5).save(tmp_path, LIBRARY, REVISION, MODEL).file_name(part)
    os.truncate(path, path.stat().st_size // 2)
    assert load(tmp_path) is None
    path.unlink()
    assert load(tmp_path) is None


def names(manifest: IndexManifest) -> set[str]:
    return {manifest.file_name(part) for part in ("base", "space", "tail")}


def test_the_replaced_file_goes_and_its_readers_stay(tmp_path: Path) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    reader = load(tmp_path)
    now = built(6).save(tmp_path, LIBRARY, REVISION + 1, MODEL)
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", *names(now)}
    assert reader is not None
    assert reader.search(vectors(5)[3], 1)[0] == [30]


def test_only_old_litter_is_swept(tmp_path: Path) -> None:
    for name, age_s in [
        ("old.tmp", 7200),
        ("old.faiss", 7200),
        ("old.base", 7200),
        ("new.tmp", 60),
        ("my.txt", 7200),
    ]:
        (tmp_path / name).touch()
        then = (tmp_path / name).stat().st_mtime - age_s
        os.utime(tmp_path / name, (then, then))
    now = built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"manifest.json", *names(now), "new.tmp", "my.txt"}


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
            index = load(tmp_path)
            assert index is None or len(index) == (index.revision or 0) + 1
    for writer in writers:
        writer.result()
    assert load(tmp_path) is not None
    assert not list(tmp_path.glob("*.tmp"))
