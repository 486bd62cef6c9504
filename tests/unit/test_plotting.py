"""Figures: their panels, marks and texts, and the files they are written to."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic import SR, play

from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.errors import UsageError
from fingerprinter.library.identify.excerpt import make_excerpt
from fingerprinter.library.identify.explanation import Explanation, agreement_of
from fingerprinter.plotting import check_target, draw, save, scales
from fingerprinter.plotting.panels import Grid
from fingerprinter.types import Match, Track

CLIP_AT_S, CLIP_S = 6.0, 4.0
TRACK = Track(
    id=7,
    path="/music/song.ogg",
    title="Song for $5 and $10",
    artist="Singer",
    album=None,
    track_number=None,
    year=None,
    genre=None,
    duration_s=20.0,
    content_id="0" * 32,
    mbid=None,
    added_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
MATCH = Match(TRACK, 99.0, 0.9995, CLIP_AT_S, 0.0, CLIP_S)


@cache
def alone(duration_s: float = CLIP_S, start_s: float = 0.0) -> Explanation:
    samples = play(1, 20)[round(CLIP_AT_S * SR) :][: round(duration_s * SR)]
    excerpt = make_excerpt(samples, start_s, DEFAULT_QUERY.peaks_per_s, DEFAULT)
    return Explanation("/tmp/clip.wav", None, excerpt)


@cache
def matched() -> Explanation:
    stored = limit_density(find_peaks([play(1, 20)], DEFAULT), DEFAULT.peaks_per_s, DEFAULT)
    agreement = agreement_of(MATCH, alone().excerpt, stored)
    return replace(alone(), searched=True, agreement=agreement)


def silence() -> Explanation:
    samples = np.zeros(5 * SR, np.float32)
    return replace(alone(), searched=True, excerpt=make_excerpt(samples, 0.0, 70.0, DEFAULT))


def artists(axes: Axes, kind: type) -> list[Any]:
    return [each for each in axes.collections if type(each) is kind]


def sizes(axes: Axes, kind: type) -> list[int]:
    """Return the number of marks in each collection."""
    count = "get_offsets" if kind is PathCollection else "get_segments"
    return [len(getattr(each, count)()) for each in artists(axes, kind)]


def words(figure: Figure) -> str:
    """Return all texts of a figure."""
    return "\n".join(each.get_text() for each in figure.findobj(Text))


def pixels(figure: Figure, path: Path) -> tuple[int, ...]:
    save(figure, path)
    return matplotlib.image.imread(path).shape[:2]


def test_audio_without_a_match_is_one_panel_with_its_peaks() -> None:
    excerpt = alone().excerpt
    panel, bar = draw(alone()).axes
    assert sizes(panel, PathCollection) == [len(excerpt.others), len(excerpt.kept)]
    assert panel.images[0].get_array().shape == excerpt.log_mag.T.shape
    assert (panel.get_xlim(), panel.get_ylim()) == ((0.0, CLIP_S), (0.0, 4.0))
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("time", "frequency (kHz)")
    assert bar.get_ylabel() == "level (dB of full scale)"


def test_peaks_lie_on_the_loudest_points_of_their_surroundings() -> None:
    excerpt = alone().excerpt
    grid = Grid(excerpt)
    left, right, bottom, top = grid.extent(*excerpt.log_mag.shape)
    frames, bins = excerpt.log_mag.shape
    seconds, khz = grid.places(excerpt.kept).T
    column = np.floor((seconds - left) / (right - left) * frames).astype(int).clip(0, frames - 1)
    row = np.floor((khz - bottom) / (top - bottom) * bins).astype(int).clip(0, bins - 1)
    above = excerpt.log_mag[column, row] - np.median(excerpt.log_mag)
    assert (above > 0).mean() > 0.95


def test_the_time_axis_counts_from_the_start_of_the_recording() -> None:
    panel = draw(alone(start_s=65.0)).axes[0]
    assert panel.get_xlim() == (65.0, 69.0)
    assert panel.xaxis.get_major_formatter()(66.5) == "1:06.5"
    assert float(artists(panel, PathCollection)[1].get_offsets()[:, 0].min()) > 65.0


def test_a_match_has_three_panels_that_agree() -> None:
    figure, agreement = draw(matched()), matched().agreement
    assert agreement is not None
    clip, recording, votes, _, above = figure.axes
    n_pairs = len(agreement.clip_pairs)
    assert n_pairs > 200
    assert sizes(clip, LineCollection) == sizes(recording, LineCollection) == [n_pairs]
    heard, found = int(agreement.in_clip.sum()), int(agreement.found.sum())
    assert found > 0.8 * len(agreement.reference)
    assert sizes(clip, PathCollection) == [len(agreement.in_clip) - heard, heard]
    assert sizes(recording, PathCollection) == [len(agreement.found) - found, found]
    assert clip.get_xlim() == recording.get_xlim() == (0.0, CLIP_S)
    assert above.get_xlim() == pytest.approx((CLIP_AT_S, CLIP_AT_S + CLIP_S), abs=0.05)
    assert votes.get_xlim() == (0.0, TRACK.duration_s)


def test_the_peaks_of_both_panels_lie_above_each_other() -> None:
    clip, recording, *_ = draw(matched()).axes
    mine = artists(clip, PathCollection)[1].get_offsets()
    theirs = artists(recording, PathCollection)[1].get_offsets()
    for place in np.asarray(theirs):
        near = np.abs(np.asarray(mine) - place) <= (1.01 * DEFAULT.hop_s, 1.01 * 0.0078125)
        assert near.all(axis=1).any()


def test_the_votes_show_the_match_above_chance() -> None:
    figure, agreement = draw(matched()), matched().agreement
    assert agreement is not None
    votes = figure.axes[2]
    marker, luckiest, chance = votes.lines
    assert marker.get_xydata()[0] == pytest.approx((CLIP_AT_S, agreement.votes.best), abs=0.05)
    assert chance.get_ydata()[0] == agreement.votes.chance
    assert luckiest.get_ydata()[0] == agreement.votes.luckiest
    assert agreement.votes.chance < agreement.votes.luckiest < agreement.votes.best
    assert votes.get_ylim()[1] > agreement.votes.best
    assert f"0:06.0: {agreement.votes.best:,}, confidence 1.000" in words(figure)


def test_a_figure_names_track_file_and_changes() -> None:
    said = words(draw(matched()))
    assert "Singer - Song for $5 and $10" in said
    assert "clip.wav" in said
    assert "/tmp" not in said
    assert "time in the clip" in said
    assert "tempo" not in said
    agreement = matched().agreement
    assert agreement is not None
    changed = replace(agreement, match=replace(MATCH, tempo=0.9, pitch=1.06))
    assert "tempo -10.0 %, pitch +6.0 %" in words(draw(replace(matched(), agreement=changed)))
    assert "no match in the library" in words(draw(replace(alone(), searched=True)))
    assert "no match" not in words(draw(alone()))
    assert "Singer - Song for $5 and $10" in words(draw(replace(alone(), track=TRACK)))


@pytest.mark.parametrize("name", ["x" * 500, "line\nbreak", "caf\udce9", "日本語の曲"])
def test_a_long_or_odd_name_stays_on_one_line(name: str, tmp_path: Path) -> None:
    figure = draw(replace(alone(1.0), name=f"/tmp/{name}.wav"))
    (heading,) = [text for text in figure.findobj(Text) if text.get_weight() == "bold"]
    assert 0 < len(heading.get_text()) <= 70
    assert "\n" not in heading.get_text()
    with warnings.catch_warnings(action="error"):  # of glyphs that no font has
        save(figure, tmp_path / "a.png", dpi=20)


@pytest.mark.parametrize("explanation", [silence(), alone(0.13), alone(1.0)])
def test_silence_and_the_shortest_clips_are_drawn(explanation: Explanation, tmp_path: Path) -> None:
    figure = draw(explanation)
    assert pixels(figure, tmp_path / "a.png") == (690, 1500)
    empty = len(explanation.excerpt.kept) == 0
    assert ("no peaks: silence" in words(figure)) == empty


def test_a_recording_without_stored_peaks_is_drawn(tmp_path: Path) -> None:
    nothing = alone().excerpt.kept.take(np.array([], np.intp))
    bare = replace(alone(), agreement=agreement_of(MATCH, alone().excerpt, nothing))
    save(draw(bare), tmp_path / "a.png", dpi=20)


@pytest.mark.slow
def test_a_picture_has_the_size_and_format_of_its_name(tmp_path: Path) -> None:
    assert pixels(draw(matched()), tmp_path / "A.PNG") == (1425, 1500)
    figure = draw(alone(1.0))
    for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        save(figure, tmp_path / f"a.{suffix}", dpi=40)
        assert (tmp_path / f"a.{suffix}").read_bytes().startswith(start)
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (184, 400)


@pytest.mark.parametrize("name", ["picture", "picture.xyz", "picture.wav", ".png"])
def test_a_suffix_of_no_picture_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"no kind of picture; name it \.png"):
        check_target(Path(name))


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory; name a file"):
        save(draw(alone(1.0)), tmp_path / "missing" / "a.png")


def test_without_matplotlib_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    with pytest.raises(UsageError, match=r"matplotlib is not installed.*`pip install matplotlib`"):
        check_target(Path("a.png"))


@pytest.mark.slow
def test_only_drawing_loads_matplotlib_and_nothing_loads_pyplot() -> None:
    script = (
        "import sys, fingerprinter.plotting, fingerprinter.cli.commands.plot\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import numpy as np\n"
        "from fingerprinter.library.identify.explanation import explain_alone\n"
        "fingerprinter.plotting.draw(explain_alone((np.zeros(9000), 16000)))\n"
        "assert 'matplotlib' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_threads_draw_the_same_picture(tmp_path: Path) -> None:
    def drawn(number: int) -> bytes:
        save(draw(matched()), tmp_path / f"{number}.png", dpi=30)
        return (tmp_path / f"{number}.png").read_bytes()

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(drawn, range(2)))) == 1


@pytest.mark.parametrize("span_s", [0.05, 1, 9.9, 30, 119, 847, 4 * 3600])
def test_time_axes_have_few_ticks(span_s: float) -> None:
    axes = Figure().add_subplot()
    axes.set_xlim(3.0, 3.0 + span_s)
    scales.time_ticks(axes.xaxis, span_s)
    ticks = axes.xaxis.get_major_locator()()
    assert 0 < sum(3.0 <= tick <= 3.0 + span_s for tick in ticks) <= 13


@pytest.mark.parametrize("top", [1.15, 3.4, 17.0, 59.0, 640.0, 12_345.0, 9.9e6])
def test_count_ticks_are_round_and_in_range(top: float) -> None:
    ticks = scales.count_ticks(top)
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert ticks[-1] <= top < 10 * ticks[-1]
