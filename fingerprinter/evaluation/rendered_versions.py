"""Versions of pieces, rendered from scores: the same notes, played in another way.

The scores are those of the corpus of music21 [1]_. FluidSynth plays them with two SoundFonts.

.. [1] M. S. Cuthbert and C. Ariza, "music21: A toolkit for computer-aided musicology and symbolic
   music data", ISMIR 2010.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from fingerprinter.errors import UsageError
from fingerprinter.evaluation.run import OnProgress, Progress

_SOUND_FONTS = [f"/usr/share/sounds/sf2/{name}.sf2" for name in ("FluidR3_GM", "TimGM6mb")]
# Pieces of each composer at most, so that no one style decides the figures.
_COMPOSERS = {
    **{"bach": 12, "mozart": 6, "ryansMammoth": 6, "monteverdi": 6, "trecento": 5},
    **{"palestrina": 4, "haydn": 4, "beethoven": 4, "schumann_clara": 3, "schumann_robert": 3},
    **dict.fromkeys(("corelli", "handel", "chopin", "joplin", "verdi", "weber", "liliuokalani"), 1),
}
_MOST_BYTES = 40_000  # of a score; larger ones take minutes to read
_ENSEMBLES = {  # General MIDI programs from 0 on, for the parts from the top down
    "strings": (40, 40, 41, 42),
    "winds": (73, 68, 71, 70),
    "brass": (56, 56, 60, 58),
    "organ": (19, 19, 19, 19),
    "guitars": (24, 24, 25, 32),
    "choir": (52, 52, 53, 53),
    "synthesiser": (80, 88, 89, 38),
    "saxophones": (64, 65, 66, 67),
    "mallets": (11, 12, 13, 12),
}
_KEYBOARDS = (0, 4, 6, 19, 46)
_BANDS = ((30, 27, 29, 33), (81, 89, 90, 38), (65, 0, 27, 32), (22, 21, 25, 32))
_SHORTEST, _LONGEST_S = 60.0, 80.0  # quarters of a score; seconds of a rendering
_DRUM_CHANNEL = 9


@dataclass(frozen=True, slots=True)
class Note:
    """A note.

    Attributes
    ----------
    start, length
        In quarters where it is of a score, in seconds where it is played.
    pitch
        MIDI number.
    part
        Its part of the score, counted from the top down.
    loudness
        1 to 127.
    """

    start: float
    length: float
    pitch: int
    part: int
    loudness: int = 80


@dataclass(frozen=True, slots=True)
class Performance:
    """Notes in seconds, and the General MIDI programs of the parts from the top down."""

    notes: Sequence[Note]
    programs: Sequence[int]


def render_versions(
    folder: Path,
    pieces: int = 60,
    seed: int = 0,
    on_progress: OnProgress = lambda _: None,
    on_problem: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Render four versions of each of some scores as FLAC files, and list which belong together.

    Parameters
    ----------
    folder
        Where the files go.
    pieces
        Number of scores, fewer if the corpus has not as many. One in two formats counts twice.
    seed
        Decides scores and versions.
    on_progress
        Called after each piece.
    on_problem
        Called with one line about each score that cannot be read.

    Returns
    -------
    list of Path
        ``tune.tsv`` and ``report.tsv``, each with the groups of every second piece, as
        `fingerprinter.evaluation.read_groups` reads them: choose constants with one, and report
        figures of the other.

    Raises
    ------
    UsageError
        If music21, the program ``fluidsynth`` or one of the SoundFonts is not installed.
    """
    _require_installed()
    folder.mkdir(parents=True, exist_ok=True)
    halves, known = (list[str](), list[str]()), set[str]()
    for number, (name, notes) in enumerate(islice(_scores(seed, on_problem), pieces)):
        if name in known:  # in another format; it keeps its turn, so that the halves stay the same
            continue
        known.add(name)
        paths = []
        versions = perform_versions(notes, random.Random(zlib.crc32(f"{seed} {name}".encode())))
        for version, performance in enumerate(versions, 1):
            paths.append(folder.resolve() / f"{name}-{version}.flac")
            _render(performance, _SOUND_FONTS[version % 2], paths[-1])
        halves[number % 2].append("\t".join(map(str, paths)) + "\n")
        on_progress(Progress(number + 1, pieces))
    lists = [folder / "tune.tsv", folder / "report.tsv"]
    for half, path in zip(halves, lists, strict=True):
        path.write_text("".join(half), encoding="utf-8")
    return lists


def perform_versions(notes: Sequence[Note], rng: random.Random) -> Iterator[Performance]:
    """Perform a piece in four ways, each with other instruments, key, tempo and extent.

    1. An ensemble at a steady tempo.
    2. A solo keyboard in another key and tempo.
    3. Another ensemble, a part of the piece only, at a tempo that drifts.
    4. A band with drums and a bass, some notes left out, the tune up to an octave higher.

    Parameters
    ----------
    notes
        Of a score, in the order of their starts.
    rng
        Decides all of it.

    Examples
    --------
    >>> scale = [Note(i, 1, 60 + i, 0) for i in range(12)]
    >>> [len(version.programs) for version in perform_versions(scale, random.Random(0))]
    [1, 1, 1, 1]
    """
    parts = 1 + max(note.part for note in notes)

    def spread(programs: Sequence[int]) -> list[int]:
        last = min(parts, 8)
        return [programs[round(i * (len(programs) - 1) / max(1, last - 1))] for i in range(last)]

    bpm = rng.uniform(80, 120)
    ensembles = rng.sample(sorted(_ENSEMBLES), 2)
    yield Performance(_played(notes, bpm, 0.02, rng), spread(_ENSEMBLES[ensembles[0]]))
    moved = _transposed(notes, rng.choice([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5]))
    played = _played(moved, bpm * rng.uniform(0.7, 1.4), 0.05, rng)
    yield Performance(played, [rng.choice(_KEYBOARDS)])
    moved = _transposed(_from_share(notes, rng.uniform(0.05, 0.3)), rng.randint(-4, 4))
    played = _played(moved, bpm * rng.uniform(0.8, 1.25), 0.15, rng)
    yield Performance(played, spread(_ENSEMBLES[ensembles[1]]))
    moved = _transposed(notes, rng.randint(-5, 5))
    octave = rng.choice([0, 12])
    kept = [n for n in moved if n.part in (0, parts - 1) or rng.random() < 0.7]
    kept = [replace(n, pitch=n.pitch + octave) if n.part == 0 else n for n in kept]
    band_bpm = bpm * rng.uniform(0.75, 1.35)
    played = _played(kept, band_bpm, 0.01, rng)
    played += _drums(band_bpm, max(note.start for note in played))
    yield Performance(played, spread(rng.choice(_BANDS)))


def midi_file(performance: Performance) -> bytes:
    """Return a performance as a MIDI file of one track, in which a tick is a millisecond.

    Examples
    --------
    >>> midi_file(Performance([Note(0, 0.5, 60, 0)], [19]))[:8]
    b'MThd\\x00\\x00\\x00\\x06'
    """
    programs, events = performance.programs, []
    for note in performance.notes:
        channel = note.part if note.part == _DRUM_CHANNEL else min(note.part, len(programs) - 1)
        pitch = max(12, min(115, note.pitch))
        on, off = round(1000 * note.start), round(1000 * (note.start + note.length))
        events.append((on, 1, 0x90 + channel, pitch, note.loudness))
        events.append((off, 0, 0x80 + channel, pitch, 0))
    body = b"\x00\xff\x51\x03\x0f\x42\x40"  # a quarter is a second
    for channel, program in enumerate(programs):
        body += bytes([0, 0xC0 + channel, program])
    now = 0
    for at, _, *message in sorted(events):
        body += _variable(at - now) + bytes(message)
        now = at
    body += b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000)
    return head + b"MTrk" + struct.pack(">I", len(body)) + body


def _require_installed() -> None:
    missing = [font for font in _SOUND_FONTS if not Path(font).is_file()]
    if shutil.which("fluidsynth") is None:
        missing.insert(0, "fluidsynth")
    try:
        import music21  # noqa: F401
    except ImportError:
        missing.insert(0, "music21")
    if missing:
        raise UsageError(
            f"not installed, and versions are rendered with it: {', '.join(missing)};"
            " `pip install music21`, `apt install fluidsynth fluid-soundfont-gm timgm6mb-soundfont`"
        )


def _scores(seed: int, on_problem: Callable[[str], None]) -> Iterator[tuple[str, list[Note]]]:
    """Yield name and notes of scores that are long enough, of some composers in turn."""
    from music21 import corpus

    rng = random.Random(seed)
    for composer, most in _COMPOSERS.items():
        paths = sorted(map(str, corpus.getComposer(composer)))
        paths = [path for path in paths if Path(path).stat().st_size <= _MOST_BYTES]
        rng.shuffle(paths)
        found = 0
        for path in paths[: 4 * most]:
            try:
                notes = _score_notes(path)
            except Exception as error:  # music21 raises errors of many kinds
                on_problem(f"left out {Path(path).name}: {error!r}")
                continue
            if found < most and notes and notes[-1].start >= _SHORTEST:
                found += 1
                yield _score_name(composer, path), notes
            if found == most:
                break


def _score_name(composer: str, path: str) -> str:
    """The name of a score, which its files in several formats share.

    >>> _score_name("haydn", "corpus/haydn/opus74no1/movement2.mxl")
    'haydn-opus74no1-movement2'
    """
    return f"{composer}-{Path(path).parent.name}-{Path(path).stem}"


def _score_notes(path: str) -> list[Note]:
    """The notes of a score, in quarters."""
    from music21 import converter

    return sorted(
        (
            Note(float(note.offset), float(note.quarterLength) or 0.25, int(pitch.midi), number)
            for number, part in enumerate(converter.parse(path).parts)
            for note in part.flatten().notes
            for pitch in note.pitches
        ),
        key=lambda note: note.start,
    )


def _played(notes: Sequence[Note], bpm: float, drift: float, rng: random.Random) -> list[Note]:
    """The notes in seconds, at a tempo that wanders by a share ``drift``, and a little uneven."""
    seconds, tempo, place, times = 0.0, 1.0, 0.0, [(0.0, 0.0)]
    last = max(note.start + note.length for note in notes)
    while place < last:
        tempo = min(1 + drift, max(1 - drift, tempo + rng.gauss(0, drift / 3)))
        place += 1.0
        seconds += 60 / (bpm * tempo)
        times.append((place, seconds))

    def at(quarter: float) -> float:
        whole = min(int(quarter), len(times) - 2)
        (a, start_s), (_, end_s) = times[whole], times[whole + 1]
        return start_s + (quarter - a) * (end_s - start_s)

    uneven = 0.01 + drift / 10
    played = []
    for note in notes:
        start_s = max(0.0, at(note.start) + rng.gauss(0, uneven))
        length_s = max(0.05, 0.95 * (at(note.start + note.length) - at(note.start)))
        loudness = max(30, min(110, round(rng.gauss(80, 10))))
        played.append(replace(note, start=start_s, length=length_s, loudness=loudness))
    return [note for note in played if note.start < _LONGEST_S]


def _transposed(notes: Sequence[Note], semitones: int) -> list[Note]:
    return [replace(note, pitch=note.pitch + semitones) for note in notes]


def _from_share(notes: Sequence[Note], start: float) -> list[Note]:
    """The notes from a share of the score on."""
    first = start * notes[-1].start
    return [replace(n, start=n.start - first) for n in notes if n.start >= first]


def _drums(bpm: float, length_s: float) -> list[Note]:
    """Kick, snare and hi-hat in common time."""
    beat_s, drums = 60 / bpm, []
    for number in range(round(length_s / beat_s)):
        at_s = number * beat_s
        drums.append(Note(at_s, 0.1, 36 if number % 2 == 0 else 38, _DRUM_CHANNEL, 100))
        drums += [Note(at_s + half * beat_s / 2, 0.1, 42, _DRUM_CHANNEL, 70) for half in (0, 1)]
    return drums


def _variable(value: int) -> bytes:
    """A number of MIDI: seven bits a byte."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _render(performance: Performance, font: str, path: Path) -> None:
    """Play a performance into a FLAC file."""
    midi = path.with_suffix(".mid")
    midi.write_bytes(midi_file(performance))
    command = ["fluidsynth", "-niq", "-g", "0.4", "-r", "22050", "-T", "flac", "-O", "s16"]
    subprocess.run([*command, "-F", path, font, midi], check=True, stdout=subprocess.DEVNULL)
    midi.unlink()
