"""The vector index against plain NumPy, and its files under damage and concurrent writers."""

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
    """Return correlated vectors with unequal means and variances, as network layers have."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((n, DIM)) @ rng.standard_normal((DIM, DIM))
    return (mixed * rng.uniform(0.1, 3, DIM) + rng.uniform(-2, 2, DIM)).astype(np.float32)


def built(n: int, seed: int = 0, *, hubs: bool = False) -> VectorIndex:
    return VectorIndex.build(np.arange(n) * 10, vectors(n, seed), hubs=hubs)


def load(directory: Path) -> VectorIndex | None:
    return VectorIndex.load(directory, LIBRARY, MODEL)


# Similarity


def plain_cosines(rows: Floats) -> npt.NDArray[np.float64]:
    """Plain reference implementation: z-score, ZCA by the matrix square root, cosine."""
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
    """Plain NICDM: distances divided by the geometric mean of the two local scales."""
    distances = 1 - plain_cosines(rows)
    n = len(rows)
    nearest = np.sort(distances + 9 * np.eye(n), axis=1)[:, : max(10, round(0.05 * n))]
    scale = np.array([row[row < 9].mean() if (row < 9).any() else 1 for row in nearest])
    scaled: npt.NDArray[np.float64] = distances / np.sqrt(scale * scale[:, np.newaxis])
    return np.clip(1 - scaled * scale.mean(), -1, 1)


@pytest.mark.parametrize("hubs", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 300])
def test_similarities_agree_with_the_reference(n: int, hubs: bool) -> None:
    rows, index = vectors(n), built(n, hubs=hubs)
    expected = plain_cosines(rows) if hubs else plain_similarities(rows)
    for query, similarities in zip(rows, expected, strict=True):
        ids, found = index.search(query, n)
        np.testing.assert_allclose(found, np.sort(similarities)[::-1], atol=1e-4)
        np.testing.assert_allclose(similarities[ids // 10], found, atol=1e-4)


def test_scaling_makes_hubs_rarer() -> None:
    """In data of a few kinds, the points between the kinds are hubs."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((400, 8)) @ rng.standard_normal((8, 100))
    rows = (kinds * rng.gamma(1, 1, (400, 1)) + rng.standard_normal((400, 100))).astype(np.float32)

    def skew(index: VectorIndex) -> float:
        lists = [index.search(row, 10, exclude=[number])[0] for number, row in enumerate(rows)]
        return float(stats.skew(np.bincount(np.concatenate(lists), minlength=len(rows))))

    assert skew(VectorIndex.build(np.arange(400), rows, hubs=True)) > 0.6
    assert skew(VectorIndex.build(np.arange(400), rows)) < 0.3


@given(n=st.integers(1, 60), seed=st.integers(0, 100), k=st.integers(0, 70))
def test_a_track_is_most_similar_to_itself(n: int, seed: int, k: int) -> None:
    index, query = built(n, seed), vectors(n, seed)[n // 2]
    ids, similarities = index.search(query, k)
    assert len(ids) == len(similarities) == min(k, n)
    assert (np.diff(similarities) <= 0).all()
    assert (np.abs(similarities) <= 1).all()
    if k:
        assert ids[0] == n // 2 * 10
        assert similarities[0] == pytest.approx(1, abs=1e-5)


@given(excluded=st.sets(st.integers(-5, 25).map(lambda i: i * 10)), k=st.integers(0, 30))
def test_excluded_tracks_are_replaced_by_the_next(excluded: set[int], k: int) -> None:
    index, query = built(20), vectors(20)[0]
    everything, _ = index.search(query, 20)
    expected = [i for i in everything if i not in excluded][:k]
    assert index.search(query, k, excluded)[0].tolist() == expected


@given(candidates=st.sets(st.integers(-5, 25).map(lambda i: i * 10)), k=st.integers(0, 30))
def test_results_are_limited_to_candidates(candidates: set[int], k: int) -> None:
    index, query = built(20), vectors(20)[0]
    everything, _ = index.search(query, 20)
    expected = [i for i in everything if i in candidates and i != 30][:k]
    found, _ = index.search(
        query, k, exclude=[30], candidate_ids=np.array(sorted(candidates), np.int64)
    )
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


def test_two_similar_tracks_stay_similar() -> None:
    """Without the prior, the statistics of two tracks would make them opposites."""
    rows = vectors(1).repeat(2, axis=0)
    rows[1] += 0.01
    index = VectorIndex.build(np.arange(2), rows)
    assert index.search(rows[0], 2)[1][1] > 0.99


def test_a_constant_dimension_has_no_effect() -> None:
    rows = vectors(100)
    rows[:, 3] = 0
    fewer = VectorIndex.build(np.arange(100), np.delete(rows, 3, axis=1))
    index = VectorIndex.build(np.arange(100), rows)
    ids, similarities = index.search(rows[0], 100)
    expected_ids, expected = fewer.search(np.delete(rows[0], 3), 100)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(similarities, expected, atol=1e-5)


def test_whitening_equalises_the_principal_axes() -> None:
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


# Large libraries and updates


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> int:
    """A number of tracks that is searched by inverted lists and updated."""
    monkeypatch.setattr(index_module, "EXACT_TRACKS", 1000)
    monkeypatch.setattr(index_module, "MIN_UPDATED_TRACKS", 100)
    return 3000


def test_inverted_lists_find_nearly_all_neighbours(many: int, tmp_path: Path) -> None:
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


def test_inverted_lists_return_as_many_results_as_requested(many: int) -> None:
    index, query = built(many), vectors(many)[7]
    candidates = np.arange(0, many, 50) * 10
    ids, _ = index.search(query, many, candidate_ids=candidates)
    assert sorted(ids.tolist()) == candidates.tolist()
    ids, _ = index.search(query, many)
    assert len(ids) == many


@pytest.mark.parametrize("exact", [True, False])
def test_an_update_adds_and_deletes_tracks(
    many: int, exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "EXACT_TRACKS", many if exact else 1000)
    built(many).save(tmp_path, LIBRARY, REVISION, MODEL)
    before = load(tmp_path)
    assert before is not None
    new = vectors(40, seed=3)
    ids = np.concatenate([np.arange(30, many) * 10, 100_000 + np.arange(40)])
    index = before.update(ids, lambda added: new[added - 100_000])
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


def test_an_updated_index_finds_the_neighbours_of_an_exact_search(many: int) -> None:
    rows = vectors(many)
    all_but_some = np.arange(many - 50)
    index = VectorIndex.build(all_but_some, rows[: many - 50]).update(
        np.arange(many), lambda added: rows[added]
    )
    assert index is not None
    space = index.space
    for number in range(0, many, 300):
        question = space.query_vector(space.standardise(rows[number : number + 1])[0])
        products = space.entries(space.standardise(rows)) @ question
        nearest = np.argsort(-products)[:10]
        assert len(np.intersect1d(index.search(rows[number], 10)[0], nearest)) >= 8


def test_a_large_change_needs_a_rebuild(many: int) -> None:
    index = built(many)
    ids = np.arange(many) * 10
    nothing = np.empty((0, DIM), np.float32)
    assert index.update(ids[: many - 200], lambda _: nothing) is None
    few = built(50)
    assert few.update(np.arange(49) * 10, lambda _: nothing) is None
    assert few.update(np.arange(50) * 10, lambda _: nothing) is not None


# Files


def test_a_loaded_index_gives_the_same_results(tmp_path: Path) -> None:
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
def test_an_index_of_another_library_or_model_is_not_read(
    tmp_path: Path, state: tuple[str, str]
) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    assert VectorIndex.load(tmp_path, *state) is None


def test_an_index_of_another_format_is_not_read(tmp_path: Path) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    manifest = tmp_path / "manifest.json"
    fields = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(fields | {"format": fields["format"] + 1}))
    assert load(tmp_path) is None


def test_no_index(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert load(tmp_path / "no folder") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.data(), part=st.sampled_from(["base", "space", "tail"]))
def test_any_flipped_bit_is_detected(tmp_path: Path, data: st.DataObject, part: str) -> None:
    name = built(5).save(tmp_path, LIBRARY, REVISION, MODEL).file_name(part)
    content = bytearray((tmp_path / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / name).write_bytes(content)
    assert load(tmp_path) is None
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    assert load(tmp_path) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"format": 1}', "[" * 100_000])
def test_a_damaged_manifest_is_not_read(tmp_path: Path, text: str) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    (tmp_path / "manifest.json").write_text(text)
    assert load(tmp_path) is None


@pytest.mark.parametrize("files", ["x", None, "../x", "\0", "\ud800", "A" * 64])
def test_a_manifest_with_other_names_is_not_read(tmp_path: Path, files: str | None) -> None:
    """Names with NUL or of another type ended `similar` in a traceback."""
    manifest = built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    named = files if files in ("x", None) else dict.fromkeys(manifest.files, files)
    fields = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(fields | {"files": named}))
    assert load(tmp_path) is None
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    assert load(tmp_path) is not None


@pytest.mark.parametrize("part", ["base", "space", "tail"])
def test_a_missing_or_truncated_file_is_detected(tmp_path: Path, part: str) -> None:
    path = tmp_path / built(5).save(tmp_path, LIBRARY, REVISION, MODEL).file_name(part)
    os.truncate(path, path.stat().st_size // 2)
    assert load(tmp_path) is None
    path.unlink()
    assert load(tmp_path) is None


def names(manifest: IndexManifest) -> set[str]:
    return {manifest.file_name(part) for part in ("base", "space", "tail")}


def test_replaced_files_are_removed_and_open_readers_continue(tmp_path: Path) -> None:
    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    reader = load(tmp_path)
    now = built(6).save(tmp_path, LIBRARY, REVISION + 1, MODEL)
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", *names(now)}
    assert reader is not None
    assert reader.search(vectors(5)[3], 1)[0] == [30]


def test_only_old_unfinished_files_are_removed(tmp_path: Path) -> None:
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


def test_a_failed_write_keeps_the_previous_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(index: object, path: str) -> None:
        Path(path).write_bytes(b"half an ind")
        raise RuntimeError("write error: No space left on device")

    built(5).save(tmp_path, LIBRARY, REVISION, MODEL)
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setattr(faiss, "write_index", disk_full)
    with pytest.raises(ModelError, match=r"not written \(.*No space left.*\), .*; free some space"):
        built(6).save(tmp_path, LIBRARY, REVISION + 1, MODEL)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert load(tmp_path) is not None


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"index was not written .* FINGERPRINTER_CACHE"):
        built(5).save(tmp_path / "file" / "folder", LIBRARY, REVISION, MODEL)


def test_concurrent_writers_leave_one_intact_index(tmp_path: Path) -> None:
    """Eight writers save different revisions; a reader finds one of them intact, or none."""

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
