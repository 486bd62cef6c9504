"""The posting index agrees with a plain dictionary: merges, removals, damage and rollback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from databases import LIBRARIES, Store
from sqlalchemy import Connection, func, insert, select, update

from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams
from fingerprinter.errors import CorruptionError
from fingerprinter.store.index import lookup as lookups
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import DELETED_TRACK, PostingIndex
from fingerprinter.store.index.postings import PREFIX_SHIFT
from fingerprinter.store.tables import schema, shards
from fingerprinter.types import Landmarks

Entry = tuple[int, int, int]  # hash, track id, frame
Added = tuple[int, int, Landmarks]  # track id, length in frames, landmarks

LAST_HASH = (1 << hash_bits(DEFAULT)) - 1
VOCABULARY = np.unique(
    np.append(np.random.default_rng(0).integers(0, LAST_HASH, 400), [0, LAST_HASH])
).astype(np.uint32)


@pytest.fixture(params=LIBRARIES)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def track(track_id: int, n: int = 400, length: int = 900) -> Added:
    """A track that shares hashes with others and has landmarks at its first and last frame."""
    rng = np.random.default_rng(track_id)
    frames = np.append(rng.integers(0, length, n), [0, length - 1]).astype(np.int32)
    return track_id, length, Landmarks(rng.choice(VOCABULARY, n + 2), frames)


def tracks(ids: Iterable[int]) -> list[Added]:
    return [track(track_id) for track_id in ids]


def entries(added: Iterable[Added], deleted: Iterable[int] = ()) -> list[Entry]:
    """The entries of a dictionary of all landmarks; deleted tracks become `DELETED_TRACK`."""
    return sorted(
        (hash_, DELETED_TRACK if track_id in deleted else track_id, frame)
        for track_id, _, marks in added
        for hash_, frame in zip(marks.hashes.tolist(), marks.frames.tolist(), strict=True)
    )


def add(connection: Connection, *segments: Sequence[Added]) -> None:
    for added in segments:
        postings.add_segment(connection, DEFAULT, added)


def delete_tracks(connection: Connection, ids: Iterable[int]) -> None:
    connection.execute(insert(schema.tombstone), [{"track_id": id_} for id_ in ids])


def lookup(
    connection: Connection,
    index: PostingIndex | None = None,
    hashes: npt.NDArray[np.uint32] = VOCABULARY,
) -> list[Entry]:
    index = index or PostingIndex(connection, DEFAULT)
    found = index.lookup(connection, hashes, limit=1 << 40)
    ids, frames = index.locate(found.position)
    return sorted(zip(hashes[found.query].tolist(), ids.tolist(), frames.tolist(), strict=True))


def merge_all(connection: Connection) -> int:
    """Merges until nothing is left to merge; returns how often."""
    times = 0
    while postings.merge_due(connection, DEFAULT):
        times += 1
    return times


def number_of(connection: Connection, table: str) -> int:
    chosen = schema.metadata.tables[table]
    return connection.scalar(select(func.count()).select_from(chosen)) or 0


def test_lookup_agrees_with_a_dictionary(store: Store) -> None:
    first, second, third = tracks([5, 2, 9]), tracks([7]), tracks(range(20, 30))
    with store.write() as connection:
        add(connection, first, second, third)
    with store.read() as connection:
        index = PostingIndex(connection, DEFAULT)
        every = entries([*first, *second, *third])
        assert lookup(connection, index) == every
        some = VOCABULARY[::7]
        assert lookup(connection, index, some) == [each for each in every if each[0] in some]
        assert index.landmark_count == len(every)
        assert index.frame_count == 14 * 900


def test_the_rarest_hashes_come_first(store: Store) -> None:
    """If there are too many postings, the most common hashes are left out in all segments."""
    times = np.arange(1, len(VOCABULARY) + 1)
    marks = Landmarks(np.repeat(VOCABULARY, times), np.zeros(times.sum(), np.int32))
    with store.write() as connection:
        add(
            connection,
            [(1, 1, marks)],
            [(2, 1, Landmarks(VOCABULARY, np.zeros(len(VOCABULARY), np.int32)))],
        )
    with store.read() as connection:
        index = PostingIndex(connection, DEFAULT)
        for most in (0, 100, 10_000, 1 << 20):
            asked = np.bincount(
                index.lookup(connection, VOCABULARY, most).query, minlength=len(times)
            )
            kept = asked > 0
            assert asked[kept].tolist() == (times[kept] + 1).tolist()
            assert kept.tolist() == sorted(kept.tolist(), reverse=True)
            assert abs(asked.sum() - most) <= len(VOCABULARY) or kept.all()


def test_the_long_blocks_of_a_large_segment_are_not_read_where_others_suffice(store: Store) -> None:
    few = LandmarkParams(max_bin=15, max_df=3, max_dt=3)  # 512 hashes: each has a block of its own
    times = 1 + np.random.default_rng(2).permutation(1 << hash_bits(few))
    hashes = np.repeat(np.arange(len(times), dtype=np.uint32), times)
    marks = Landmarks(hashes, np.random.default_rng(3).permutation(len(hashes)).astype(np.int32))
    block, common = schema.posting_block, int(times.argmax())
    with store.write() as connection:
        postings.add_segment(connection, few, [(1, len(hashes), marks)])
        id_ = connection.scalar(select(func.min(block.c.id))) or 0
        longest = block.c.id == id_ + common
        length = connection.scalar(select(func.length(block.c.data)).where(longest)) or 0
        if not shards.is_sharded(connection):  # other servers would send blocks to be measured
            connection.execute(update(block).where(longest).values(data=bytes(length)))
    with store.read() as connection:
        asked = np.arange(len(times), dtype=np.uint32)
        for most in (0, 100, 6_000):
            index = PostingIndex(connection, few)  # it would keep a segment that is read much
            found = np.bincount(index.lookup(connection, asked, most).query, minlength=len(times))
            rarest = times[np.argsort(times)]
            assert np.sort(found[found > 0]).tolist() == rarest[np.cumsum(rarest) <= most].tolist()


def test_unknown_hashes_are_not_found(store: Store) -> None:
    with store.write() as connection:
        add(connection, tracks([1, 2, 3]))
    absent = np.setdiff1d(VOCABULARY + np.uint32(1), VOCABULARY)
    beyond = np.array([LAST_HASH + 1, 4 * LAST_HASH], np.uint32)  # of peaks moved out of range
    with store.read() as connection:
        for hashes in (absent, beyond, np.empty(0, np.uint32)):
            assert lookup(connection, hashes=hashes) == []


def test_an_empty_library_finds_nothing(store: Store) -> None:
    with store.write() as connection:
        add(connection, [])
    with store.read() as connection:
        assert lookup(connection) == []
        assert postings.stats(connection) == postings.PostingStats(0, 0, 0, 0, 0.0)
        assert postings.newest_segment(connection) == 0


def test_a_track_without_landmarks_can_be_added(store: Store) -> None:
    silent = (3, 500, Landmarks(np.empty(0, np.uint32), np.empty(0, np.int32)))
    loud = track(4)
    with store.write() as connection:
        add(connection, [silent], [silent, loud])
    with store.read() as connection:
        assert lookup(connection) == entries([loud])


def test_blocks_are_read_in_several_statements(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "BLOCKS_PER_STATEMENT", 3)
    monkeypatch.setattr(lookups, "MAX_KEPT_LANDMARKS", 0)
    added = tracks(range(1, 20))
    with store.write() as connection:
        add(connection, added)
        assert number_of(connection, "posting_block") > 6
    with store.read() as connection:
        assert lookup(connection) == entries(added)


def test_a_small_segment_is_kept_after_much_of_it_was_read(store: Store) -> None:
    added = tracks(range(1, 20))
    with store.write() as connection:
        add(connection, added)
        index = PostingIndex(connection, DEFAULT)
        few = VOCABULARY[:: len(VOCABULARY) // 2]
        once = lookup(connection, index, few)
        assert lookup(connection, index) == entries(added)
        postings.drop_all(connection)
        assert lookup(connection, index) == entries(added)
        assert lookup(connection, index, few) == once
        assert lookup(connection) == []


def test_positions_at_the_borders_of_tracks_are_found(store: Store) -> None:
    with store.write() as connection:
        add(connection, [track(8, length=10), track(3, n=0, length=1)], [track(5, length=20)])
    with store.read() as connection:
        index = PostingIndex(connection, DEFAULT)
    ids, frames = index.locate(np.array([-7, 0, 9, 10, 11, 30, 35]))
    assert ids.tolist() == [8, 8, 8, 3, 5, 5, 5]
    assert frames.tolist() == [-7, 0, 9, 0, 0, 19, 24]


def test_removed_tracks_are_not_found(store: Store) -> None:
    added = tracks(range(1, 9))
    with store.write() as connection:
        add(connection, added[:4], added[4:])
        delete_tracks(connection, [2, 7])
    with store.read() as connection:
        assert lookup(connection) == entries(added, deleted=[2, 7])
        assert postings.stats(connection).dead_tracks == 2


@pytest.mark.parametrize("at_a_time", [1 << 21, 500])
def test_a_merge_keeps_each_landmark_once(
    store: Store, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merged at once, or in many ranges of hashes. One segment is smaller than a range."""
    monkeypatch.setattr(postings, "LANDMARKS_IN_MEMORY", at_a_time)
    batches = [tracks(range(1, 5)), tracks([40]), [track(50, n=3)], tracks(range(60, 64))]
    added = [each for batch in batches for each in batch]
    with store.write() as connection:
        add(connection, *batches)
        before = postings.newest_segment(connection)
        assert merge_all(connection) == 1
    with store.read() as connection:
        assert lookup(connection) == entries(added)
        stats = postings.stats(connection)
        assert (stats.segments, stats.landmarks) == (1, len(entries(added)))
        assert postings.newest_segment(connection) > before


@pytest.mark.parametrize("at_a_time", [1 << 21, 500])
def test_a_merge_drops_removed_tracks(
    store: Store, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "LANDMARKS_IN_MEMORY", at_a_time)
    added = tracks(range(1, 13))
    gone = [1, 6, 7, 12]  # the first, two side by side, the last
    with store.write() as connection:
        add(connection, *(added[start : start + 3] for start in range(0, 12, 3)))
        delete_tracks(connection, [*gone, 99])
        assert merge_all(connection) == 1
    living = [each for each in added if each[0] not in gone]
    with store.read() as connection:
        assert lookup(connection) == entries(living)
        assert postings.stats(connection).landmarks == len(entries(living))
        left = connection.scalars(select(schema.tombstone.c.track_id)).all()
        assert left == [99]  # a segment that is not merged yet may hold it


def test_a_merge_of_removed_tracks_only_leaves_no_segment(store: Store) -> None:
    with store.write() as connection:
        add(connection, *(tracks([id_]) for id_ in range(1, 5)))
        delete_tracks(connection, range(1, 5))
        assert merge_all(connection) == 1
    with store.read() as connection:
        assert postings.stats(connection) == postings.PostingStats(0, 0, 0, 0, 0.0)
        assert lookup(connection) == []


def test_segments_grow_by_levels(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after each batch of `index`: there are never many small segments."""
    monkeypatch.setattr(postings, "LEVEL_0_LANDMARKS", 1000)
    added = tracks(range(1, 26))
    with store.write() as connection:
        for each in added:
            add(connection, [each])
            merge_all(connection)
            levels = connection.scalars(select(schema.segment.c.level)).all()
            assert all(levels.count(level) < 3 for level in levels)
    with store.read() as connection:
        assert max(connection.scalars(select(schema.segment.c.level))) > 0
        assert lookup(connection) == entries(added)


def test_a_merge_skips_levels(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A landmark is not written once for each level."""
    monkeypatch.setattr(postings, "LEVEL_0_LANDMARKS", 1000)
    sizes = [8, 8, 4, 4, 2, 2, 2]  # three levels: two segments, and one that comes to be
    ends = np.cumsum(sizes)
    batches = [tracks(range(end - n, end)) for n, end in zip(sizes, ends + 1, strict=True)]
    with store.write() as connection:
        add(connection, *batches)
        assert merge_all(connection) == 1
    with store.read() as connection:
        assert postings.stats(connection).segments == 1
        assert lookup(connection) == entries(each for batch in batches for each in batch)


def test_all_can_be_deleted_and_written_again(store: Store) -> None:
    with store.write() as connection:
        add(connection, tracks([1, 2]), tracks([3]))
        delete_tracks(connection, [2])
        before = postings.newest_segment(connection)
        postings.drop_all(connection)
        assert postings.stats(connection) == postings.PostingStats(0, 0, 0, 0, 0.0)
        add(connection, tracks([1, 3]))
    with store.read() as connection:
        assert lookup(connection) == entries(tracks([1, 3]))
        assert postings.newest_segment(connection) > before  # an id never names another segment


def test_a_rollback_leaves_nothing(store: Store) -> None:
    added = tracks(range(1, 5))
    with store.write() as connection:
        add(connection, *([each] for each in added))
        blocks = number_of(connection, "posting_block")
    with pytest.raises(RuntimeError, match="midway"), store.write() as connection:
        add(connection, tracks([10]))
        delete_tracks(connection, [1])
        assert merge_all(connection) == 1
        raise RuntimeError("midway")
    with store.read() as connection:
        assert lookup(connection) == entries(added)
        assert number_of(connection, "posting_block") == blocks
        assert number_of(connection, "tombstone") == 0


def test_a_reader_keeps_its_snapshot_through_a_merge(store: Store) -> None:
    added = tracks(range(1, 5))
    with store.write() as connection:
        add(connection, *([each] for each in added))
    with store.read() as reader:
        index = PostingIndex(reader, DEFAULT)
        with store.write() as connection:
            assert merge_all(connection) == 1
        assert lookup(reader, index) == entries(added)
    with store.read() as reader:
        assert lookup(reader) == entries(added)


def test_a_damaged_block_names_its_segment_and_the_next_step(store: Store) -> None:
    block = schema.posting_block
    with store.write() as connection:
        add(connection, tracks([1]), tracks([2]), tracks([3]), tracks([4]))
        id_, data = connection.execute(select(block.c.id, block.c.data).limit(1)).one()
        damaged = bytes([*data[:-2], data[-2] ^ 8, data[-1]])
        connection.execute(update(block).where(block.c.id == id_).values(data=damaged))
    expected = rf"landmark segment {id_ >> PREFIX_SHIFT}: checksum .* `fingerprinter reindex`"
    with store.read() as connection, pytest.raises(CorruptionError, match=expected):
        lookup(connection)
    with pytest.raises(CorruptionError, match=expected), store.write() as connection:
        postings.merge_due(connection, DEFAULT)
    with store.read() as connection:
        assert postings.stats(connection).segments == 4
