"""Renders scores as versions for `fingerprinter evaluate versions`: the same notes, played anew.

    python scripts/render_versions.py FOLDER [--pieces N] [--seed S]

Needs the package music21 for the scores of its corpus, the program fluidsynth, and the SoundFonts
FluidR3 and TimGM (Debian: fluidsynth, fluid-soundfont-gm, timgm6mb-soundfont). Writes FLAC files
and `tune.tsv` and `report.tsv`: the files of one piece on each line, tabs between, and of every
second piece each. A piece has four versions, each of other instruments, key, tempo and extent:

1. strings or the like at a steady tempo;
2. a solo keyboard in another key and tempo;
3. another ensemble, a part of the piece only, at a tempo that drifts;
4. a band with drums and a bass, some notes left out, the tune up to an octave higher.
"""

from __future__ import annotations

import argparse
import random
import struct
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SOUND_FONTS = [f"/usr/share/sounds/sf2/{name}.sf2" for name in ("FluidR3_GM", "TimGM6mb")]
# Pieces of each composer at most, so that no one style decides the figures.
COMPOSERS = {
    "bach": 12,
    "mozart": 6,
    "ryansMammoth": 6,
    "monteverdi": 6,
    "trecento": 5,
    "palestrina": 4,
    "haydn": 4,
    "beethoven": 4,
    "schumann_clara": 3,
    "schumann_robert": 3,
    "corelli": 1,
    "handel": 1,
    "chopin": 1,
    "joplin": 1,
    "verdi": 1,
    "weber": 1,
    "liliuokalani": 1,
}
MOST_BYTES = 40_000  # of a score; larger ones take minutes to read
ENSEMBLES = {  # General MIDI programs from 0 on, for the parts from the top down
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
KEYBOARDS = (0, 4, 6, 19, 46)
BANDS = ((30, 27, 29, 33), (81, 89, 90, 38), (65, 0, 27, 32), (22, 21, 25, 32))
SHORTEST, LONGEST_S = 60.0, 80.0  # quarters of a score; seconds of a rendering
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Note:
    """A note of a part, counted from the top down; start and length in quarters or seconds."""

    start: float
    length: float
    pitch: int
    part: int
    loudness: int = 80


def score_notes(path: str) -> list[Note]:
    """The notes of a score, in quarters."""
    from music21 import converter

    score = converter.parse(path)
    notes = []
    for part_number, part in enumerate(score.parts):
        for note in part.flatten().notes:
            for pitch in note.pitches:
                length = float(note.quarterLength) or 0.25
                notes.append(Note(float(note.offset), length, int(pitch.midi), part_number))
    return sorted(notes, key=lambda note: note.start)


def scores(seed: int) -> Iterator[tuple[str, list[Note]]]:
    """Name and notes of scores that are long enough, of some composers in turn."""
    from music21 import corpus

    rng = random.Random(seed)
    for composer, most in COMPOSERS.items():
        paths = sorted(map(str, corpus.getComposer(composer)))
        paths = [path for path in paths if Path(path).stat().st_size <= MOST_BYTES]
        rng.shuffle(paths)
        found = 0
        for path in paths[: 4 * most]:
            try:
                notes = score_notes(path)
            except Exception as error:  # music21 raises errors of many kinds
                print(f"left out {Path(path).name}: {error!r}")
                continue
            if found < most and notes and notes[-1].start >= SHORTEST:
                found += 1
                name = Path(path).stem if "opus" not in path else Path(path).parent.name
                parent = Path(path).parent.name
                yield f"{composer}-{parent}-{name}".replace("/", "-"), notes
            if found == most:
                break


def performed(notes: Sequence[Note], bpm: float, drift: float, rng: random.Random) -> list[Note]:
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
    return [note for note in played if note.start < LONGEST_S]


def transposed(notes: Sequence[Note], semitones: int) -> list[Note]:
    """The notes so much higher."""
    return [replace(note, pitch=note.pitch + semitones) for note in notes]


def part_of(notes: Sequence[Note], start: float) -> list[Note]:
    """The notes from a share of the score on."""
    first = start * notes[-1].start
    return [replace(n, start=n.start - first) for n in notes if n.start >= first]


def drums(bpm: float, length_s: float) -> list[Note]:
    """Kick, snare and hi-hat in common time."""
    beat_s, found = 60 / bpm, []
    for number in range(round(length_s / beat_s)):
        at_s = number * beat_s
        found.append(Note(at_s, 0.1, 36 if number % 2 == 0 else 38, DRUM_CHANNEL, 100))
        found += [Note(at_s + half * beat_s / 2, 0.1, 42, DRUM_CHANNEL, 70) for half in (0, 1)]
    return found


def write_midi(path: Path, notes: Sequence[Note], programs: Sequence[int]) -> None:
    """Write a MIDI file of one track; a tick is a millisecond."""
    events = []
    for note in notes:
        channel = note.part if note.part == DRUM_CHANNEL else min(note.part, len(programs) - 1)
        pitch = max(12, min(115, note.pitch))
        on, off = round(1000 * note.start), round(1000 * (note.start + note.length))
        events += [
            (on, 1, 0x90 + channel, pitch, note.loudness),
            (off, 0, 0x80 + channel, pitch, 0),
        ]
    body = b"\x00\xff\x51\x03\x0f\x42\x40"  # a quarter is a second
    for channel, program in enumerate(programs):
        body += bytes([0, 0xC0 + channel, program])
    now = 0
    for at, _, *message in sorted(events):
        body += variable(at - now) + bytes(message)
        now = at
    body += b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000)
    path.write_bytes(head + b"MTrk" + struct.pack(">I", len(body)) + body)


def variable(value: int) -> bytes:
    """A number of MIDI: seven bits a byte."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def versions(notes: Sequence[Note], rng: random.Random) -> Iterator[tuple[list[Note], list[int]]]:
    """The four versions of a piece: notes in seconds, and the instruments of the parts."""
    parts = 1 + max(note.part for note in notes)

    def spread(programs: Sequence[int]) -> list[int]:
        last = min(parts, 8)
        return [programs[round(i * (len(programs) - 1) / max(1, last - 1))] for i in range(last)]

    bpm = rng.uniform(80, 120)
    ensembles = rng.sample(sorted(ENSEMBLES), 2)
    yield performed(notes, bpm, 0.02, rng), spread(ENSEMBLES[ensembles[0]])
    moved = transposed(notes, rng.choice([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5]))
    played = performed(moved, bpm * rng.uniform(0.7, 1.4), 0.05, rng)
    yield played, [rng.choice(KEYBOARDS)]
    moved = transposed(part_of(notes, rng.uniform(0.05, 0.3)), rng.randint(-4, 4))
    played = performed(moved, bpm * rng.uniform(0.8, 1.25), 0.15, rng)
    yield played, spread(ENSEMBLES[ensembles[1]])
    moved = transposed(notes, rng.randint(-5, 5))
    octave = rng.choice([0, 12])
    kept = [n for n in moved if n.part in (0, parts - 1) or rng.random() < 0.7]
    kept = [replace(n, pitch=n.pitch + octave) if n.part == 0 else n for n in kept]
    band_bpm = bpm * rng.uniform(0.75, 1.35)
    played = performed(kept, band_bpm, 0.01, rng)
    played += drums(band_bpm, max(note.start for note in played))
    yield played, spread(rng.choice(BANDS))


def render(notes: Sequence[Note], programs: Sequence[int], font: str, path: Path) -> None:
    """Play notes into a FLAC file."""
    midi = path.with_suffix(".mid")
    write_midi(midi, notes, programs)
    command = ["fluidsynth", "-niq", "-g", "0.4", "-r", "22050", "-T", "flac", "-O", "s16"]
    subprocess.run([*command, "-F", path, font, midi], check=True, stdout=subprocess.DEVNULL)
    midi.unlink()


def main() -> None:
    """Render the versions of some pieces."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    groups: list[str] = []
    for name, notes in scores(asked.seed):
        rng = random.Random(zlib.crc32(f"{asked.seed} {name}".encode()))
        paths = []
        for number, (played, programs) in enumerate(versions(notes, rng), 1):
            path = asked.folder / f"{name}-{number}.flac"
            render(played, programs, SOUND_FONTS[number % 2], path)
            paths.append(str(path.resolve()))
        groups.append("\t".join(paths))
        if len(groups) == asked.pieces:
            break
    for half, file_name in enumerate(("tune.tsv", "report.tsv")):
        text = "".join(f"{group}\n" for group in groups[half::2])
        (asked.folder / file_name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
