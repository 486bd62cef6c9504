"""Storage against recall: what a library loses with fewer peaks and landmarks, and what more win.

    python scripts/bench/frontier.py MUSIC... --outside FOLDER... -o RESULTS.json --plot FILE.png

Listens to the music and draws the clips once, as `fingerprinter evaluate identify` does. Then, for
each setting PEAKS_PER_SECONDxFAN_OUTxMAX_DT[xMAX_DF][+SKETCH_WORDS], it fills a library as
`fingerprinter index` does, weighs its file, asks it for every clip and has the answers judged.
Confidence was fitted to the default setting: recall is also told at the confidence above which 1 in
100 clips of outside music is answered. `--cache` keeps what was listened to and drawn.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plots import MADE, OWN, REAL, finish, save
from sqlalchemy import Connection

from fingerprinter.audio import content_id, find_audio, open_audio, read_tags
from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY, LandmarkParams
from fingerprinter.core.fingerprint.peaks import PeakChunk, limit_density, peak_chunks
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.evaluation import CONDITIONS, Plan, Sounds, folder_sound, read_groups, select
from fingerprinter.evaluation.clips import Clip
from fingerprinter.evaluation.identify import draw_clips
from fingerprinter.evaluation.judge import Judge
from fingerprinter.evaluation.music import Music, inside_music, outside_music
from fingerprinter.library.base.defaults import MIN_CONFIDENCE
from fingerprinter.library.base.stored_peaks import load_peaks
from fingerprinter.library.identify import windows
from fingerprinter.library.identify.identifier import Found, Identifier
from fingerprinter.library.identify.sketch_index import SketchIndex
from fingerprinter.library.identify.track_list import all_matches
from fingerprinter.library.indexing.extract import AudioFeatures, ExtractedTrack, peaks_and_sketches
from fingerprinter.library.indexing.ingest import FoundFile, ingest
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import constellations, tracks
from fingerprinter.store.tables import sketches as stored_sketches
from fingerprinter.types import Match, Peaks

SETTINGS = (
    *("30x5x31", "40x5x31", "30x8x63", "30x4x31", "30x3x31", "30x2x31", "30x1x31", "26x2x31"),
    *("24x5x31", "24x4x31", "24x3x31", "24x2x15", "24x1x31", "22x3x15", "22x2x31", "20x4x31"),
    *("20x3x31", "20x3x15", "20x2x31", "18x3x31", "16x4x31", "16x3x31", "14x4x31", "12x4x31"),
)
HARD = ("ambience+0dB-1s", "ambience+0dB-2s", "ambience-5dB-2s", "room+5dB-2s", "room+5dB-5s")
OUTSIDE = 0.01  # share of outside clips that is answered where settings are compared
UNSURE = 0.2  # answers of less confidence are not looked at


@dataclass(frozen=True)
class Heard:
    """A file as `fingerprinter index` sees it, with all of its peaks."""

    file: FoundFile
    analysis: ExtractedTrack
    sound: AudioFeatures
    peaks: Peaks


@dataclass(frozen=True)
class Question:
    """A clip by its peaks, and what is true of it; its samples are not kept."""

    clip: Clip
    heard: Sequence[PeakChunk]


@dataclass(frozen=True)
class Asked:
    """What came of a question.

    confidence: of the answer, or of the best that was not certain enough; right: it is true
    """

    condition: str
    outside: bool
    confidence: float
    right: bool
    cpu_s: float


class Attentive(Identifier):
    """Remembers the most certain answer that it weighed, be it reported or not."""

    best: Found | None = None

    def _judge(self, *args: Any, **kinds: Any) -> list[Found]:
        found = super()._judge(*args, **kinds)
        if found and (self.best is None or found[0].confidence > self.best.confidence):
            self.best = found[0]
        return found


def listen(path: Path) -> Heard:
    status = path.stat()
    with open_audio(path, DEFAULT.sr) as audio:
        peaks, sketches = peaks_and_sketches(audio.blocks(), DEFAULT)
        sound = AudioFeatures(audio.decoded_s, audio.problem, b"", None, sketches=sketches)
    file = FoundFile(path, status.st_size, status.st_mtime_ns)
    return Heard(file, ExtractedTrack(content_id(path), read_tags(path), None), sound, peaks)


def question(clip: Clip) -> Question:
    heard = [*peak_chunks([clip.samples], DEFAULT, DEFAULT_QUERY.narrower)]
    plain = replace(clip.condition, degradations=())  # functions cannot be kept in a file
    return Question(replace(clip, condition=plain, samples=clip.samples[:0]), heard)


@contextmanager
def library(heard: Sequence[Heard], params: LandmarkParams) -> Iterator[Database]:
    """A library of the given parameters, in a file that is gone afterwards."""
    items = [
        (each.file, replace(each.analysis, features=kept(each.sound, packed, params)))
        for each, packed in zip(heard, packed_peaks(heard, params.peaks_per_s), strict=True)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(f"{folder}/library.db", create=True) as database,
    ):
        with database.begin() as connection:
            ingest(connection, params, None, items)
        merge_segments(database, params)
        yield database


def kept(sound: AudioFeatures, constellation: bytes, params: LandmarkParams) -> AudioFeatures:
    sketches = np.ascontiguousarray(sound.sketches[:, : params.sketch_words])
    return replace(sound, constellation=constellation, sketches=sketches)


def packed_peaks(heard: Sequence[Heard], per_s: float) -> list[bytes]:
    return [pack_peaks(limit_density(each.peaks, per_s, DEFAULT)) for each in heard]


def drawn(plan: Plan, outside_clips: int, heard: Sequence[Heard]) -> list[Question]:
    """The clips of a plan, more of outside music, by the track ids that every library has."""
    with library(heard, DEFAULT) as database, database.connect() as connection:
        known = list(tracks.iterate(connection))
    music = Music(inside_music(known, plan.sources), outside_music(plan.outside))
    inside = [each for each in plan.conditions if not each.outside]
    more = replace(plan, clips=outside_clips)
    clips = chain(draw_clips(plan, inside, music), draw_clips(more, select(["outside"]), music))
    return [question(clip) for clip in told(clips, "clips drawn")]


def told(items: Iterable[Any], what: str) -> Iterator[Any]:
    """The items, counted on stderr."""
    for number, item in enumerate(items, 1):
        print(f"\r{number} {what} ", end="", file=sys.stderr, flush=True)
        yield item
    print(file=sys.stderr)


class Examiner:
    """Asks one library."""

    def __init__(self, connection: Connection, params: LandmarkParams, judge: Judge) -> None:
        self._connection, self._params, self._judge = connection, params, judge
        self._index = PostingIndex(connection, params)
        self._sketchbook = SketchIndex.read(connection, params.sketch_words)
        self._tracks = {track.id: track for track in tracks.iterate(connection)}

    def ask(self, asked: Question) -> Asked:
        clip = asked.clip
        identifier = Attentive(
            self._connection, self._index, self._params, DEFAULT_QUERY, lambda: self._sketchbook
        )
        started = time.process_time()
        heard = self._heard(identifier, asked)
        cpu_s = time.process_time() - started
        matches = [self._match(each.found, each.time_map.at(0.0)) for each in heard]
        if not matches and identifier.best and identifier.best.confidence >= UNSURE:
            matches = [self._match(identifier.best, identifier.best.alignment.offset)]
        confidence, right = self._judged(clip, matches)
        return Asked(clip.condition.name, clip.condition.outside, confidence, right, cpu_s)

    def _heard(self, identifier: Identifier, asked: Question) -> Sequence[windows.LocatedMatch]:
        """What the program hears in a clip: the best recording, or all where several are wanted."""

        def identify(peaks: Peaks, contrast: Floats | None) -> Sequence[Found]:
            return identifier.identify(peaks, MIN_CONFIDENCE, every=False, contrast=contrast)

        if asked.clip.condition.recordings > 1:
            stored = partial(load_peaks, self._connection)
            return list(all_matches(identify, stored, asked.heard, self._params, DEFAULT_QUERY))
        first = windows.first_match(identify, asked.heard, self._params, DEFAULT_QUERY)
        return [first] if first else []

    def _match(self, found: Found, offset: float) -> Match:
        offset_s, track = offset * self._params.hop_s, self._tracks[found.track_id]
        warp, end_s = found.warp, track.duration_s
        score, certain = found.score, found.confidence
        return Match(track, score, certain, offset_s, 0.0, end_s, warp.tempo, warp.pitch)

    def _judged(self, clip: Clip, matches: Sequence[Match]) -> tuple[float, bool]:
        """(confidence, whether every passage is named): of several right ones the least."""
        answers = [self._judge.judge(clip, match) for match in matches]
        named = {answer.passage for answer in answers if answer.passage is not None}
        right = not clip.condition.outside and len(named) == len(clip.passages)
        counted = [a.confidence for a in answers if (a.passage is not None) == right]
        return (min if right else max)(counted, default=0.0), right


def parse(setting: str) -> LandmarkParams:
    """PEAKS_PER_SECONDxFAN_OUTxMAX_DT[xMAX_DF][+SKETCH_WORDS]."""
    landmarks, _, words = setting.partition("+")
    peaks, fan_out, max_dt, *max_df = map(int, landmarks.split("x"))
    return replace(
        DEFAULT,
        peaks_per_s=float(peaks),
        fan_out=fan_out,
        max_dt=max_dt,
        max_df=max_df[0] if max_df else DEFAULT.max_df,
        sketch_words=int(words or DEFAULT.sketch_words),
    )


def sizes(connection: Connection) -> dict[str, float]:
    """Landmarks a second, and MB per hour of music of each part and of the whole file."""
    audio_s = tracks.counts(connection).audio_s
    marks = postings.stats(connection)
    pages, page = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "page_size")
    )
    parts = {
        "landmarks": marks.bytes,
        "peaks": constellations.size(connection),
        "sketches": stored_sketches.size(connection),
        "file": pages * page,
    }
    per_hour = {f"{name}_mb": stored / 1e6 / (audio_s / 3600) for name, stored in parts.items()}
    return {"landmarks_per_s": marks.landmarks / audio_s, **per_hour}


def examine(
    setting: str,
    heard: Sequence[Heard],
    questions: Sequence[Question],
    groups: Sequence[Sequence[str]],
) -> tuple[dict[str, Any], list[Asked]]:
    """(sizes, what came of the questions) of a setting."""
    params = parse(setting)
    with library(heard, params) as database, database.connect() as connection:
        ids = {track.path: track.id for track in tracks.iterate(connection)}
        same = [frozenset(ids[path] for path in group if path in ids) for group in groups]
        examiner = Examiner(connection, params, Judge(same))
        asked = [examiner.ask(each) for each in told(questions, f"clips asked of {setting}")]
        return {"setting": setting, "params_id": params.id, **sizes(connection)}, asked


def recall(asked: Sequence[Asked], at_least: float, names: Sequence[str] = ()) -> float | None:
    """The mean over the conditions, or over those named, of the share that is named rightly."""
    hits: dict[str, list[bool]] = {}
    for each in asked:
        if not each.outside and (not names or each.condition in names):
            hits.setdefault(each.condition, []).append(each.right and each.confidence >= at_least)
    return float(np.mean([np.mean(of_one) for of_one in hits.values()])) if hits else None


def threshold(asked: Sequence[Asked]) -> float:
    """The confidence above which one in 100 clips of outside music is answered."""
    outside = sorted((each.confidence for each in asked if each.outside), reverse=True)
    allowed = outside[int(OUTSIDE * len(outside))] if outside else MIN_CONFIDENCE
    return float(np.nextafter(max(UNSURE, allowed), 1.0))


def summary(asked: Sequence[Asked]) -> dict[str, Any]:
    fair = threshold(asked)
    inside = [each for each in asked if not each.outside]
    return {
        "recall": recall(asked, MIN_CONFIDENCE),
        "hard_recall": recall(asked, MIN_CONFIDENCE, HARD),
        "inside": len(inside),
        "outside": len(asked) - len(inside),
        "false_answers": sum(e.outside and e.confidence >= MIN_CONFIDENCE for e in asked),
        "wrong_inside": sum(not e.right and e.confidence >= MIN_CONFIDENCE for e in inside),
        "fair_confidence": fair,
        "fair_recall": recall(asked, fair),
        "fair_hard_recall": recall(asked, fair, HARD),
        "median_cpu_ms": 1000 * float(np.median([each.cpu_s for each in inside])),
        "conditions": {
            name: recall(asked, MIN_CONFIDENCE, [name])
            for name in dict.fromkeys(each.condition for each in inside)
        },
    }


def draw(figure: Figure, rows: Sequence[dict[str, Any]]) -> None:
    titles = {"recall": "At confidence 0.95", "fair_recall": "At equal answers to outside music"}
    panels: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        axes.plot(*places(rows, key), "o", color=OWN, alpha=0.5, label="a setting")
        unsafe = [row for row in rows if row["false_answers"]]
        best = frontier(rows, key)
        axes.plot(*places(best, key), "o-", color=REAL, label="none smaller is as good")
        axes.plot(*places(unsafe, key), "o", color=MADE, label="names outside music at 0.95")
        for row in best:
            place = row["file_mb"], 100 * row[key]
            axes.annotate(row["setting"], place, (6, -9), textcoords="offset points", fontsize=7)
        axes.set(xlabel="MB per hour of music, the whole file", title=title)
        finish(axes)
    panels[0].set_ylabel("clips named rightly, %")


def places(rows: Sequence[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    return [row["file_mb"] for row in rows], [100 * row[key] for row in rows]


def frontier(rows: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """The rows, by size, that are better than every smaller one."""
    best: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: row["file_mb"]):
        if not best or row[key] > best[-1][key] + 1e-9:
            best.append(row)
    return best


def remembered(path: Path | None, key: str, make: Callable[[], Any]) -> Any:
    """What a cache file holds for a key; made where there is none."""
    if path and path.exists():
        with path.open("rb") as file:
            kept_key, kept = pickle.load(file)
        if kept_key == key:
            return kept
    made = make()
    if path:
        path.write_bytes(pickle.dumps((key, made)))
    return made


def prepared(given: argparse.Namespace) -> tuple[list[Heard], list[Question]]:
    files = list(find_audio(given.music))
    heard = [listen(path) for path in told(files, f"of {len(files)} files heard")]
    kinds = {"ambience": given.ambience, "voice": given.speech}
    sounds = Sounds(**{kind: folder_sound(paths) for kind, paths in kinds.items() if paths})
    conditions = select(given.conditions) if given.conditions else CONDITIONS
    plan = Plan(conditions, given.clips, given.seed, sounds, given.source, given.outside)
    return heard, drawn(plan, given.outside_clips, heard)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("music", nargs="+", type=Path, help="what the library holds")
    parser.add_argument("--outside", nargs="+", required=True, help="music that it does not hold")
    parser.add_argument("--source", nargs="+", default=(), help="part of MUSIC to draw clips from")
    parser.add_argument("--ambience", nargs="+", help="recordings of noise")
    parser.add_argument("--speech", nargs="+", help="recordings of voices")
    parser.add_argument("--groups", help="files of the same recording, a group a line, by tabs")
    parser.add_argument("--conditions", nargs="+", help="default: all")
    parser.add_argument("--clips", type=int, default=8, help="of each condition")
    parser.add_argument("--outside-clips", type=int, default=60, help="of each outside condition")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(SETTINGS), help="settings, by commas")
    parser.add_argument("--cache", type=Path, help="file for what is listened to and drawn")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the results, as JSON")
    parser.add_argument("--plot", type=Path)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    wanted = {**vars(given), "only": None, "out": None, "plot": None, "cache": None}
    heard, questions = remembered(given.cache, repr(wanted), lambda: prepared(given))
    groups = read_groups(given.groups) if given.groups else []
    rows: list[dict[str, Any]] = []
    for setting in given.only.split(","):
        row, asked = examine(setting, heard, questions, groups)
        rows.append({**row, **summary(asked)})
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if given.plot:
        save(given.plot, lambda figure: draw(figure, rows))


if __name__ == "__main__":
    main()
