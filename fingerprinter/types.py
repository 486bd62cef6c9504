"""Frozen values that cross rooms. No room's logic lives here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says of itself; ``None`` where it says nothing."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    track_number: int | None = None
    year: int | None = None
    genre: str | None = None
    mbid: str | None = None  # MusicBrainz recording id


@dataclass(frozen=True, slots=True)
class Track:
    """One recording of the library, keyed by its content.

    ``path`` is one of the files that hold it (``None`` if it came without a
    file); ``problem`` says what of the file could not be decoded.
    """

    id: int
    path: str | None
    title: str | None
    artist: str | None
    album: str | None
    track_number: int | None
    year: int | None
    genre: str | None
    duration_s: float
    content_id: str
    mbid: str | None
    added_at: datetime
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Peaks:
    """Spectral peaks sorted by (frame, bin): the *constellation* of a recording.

    frames: (n,) float32, in hops from the start of the audio
    bins: (n,) float32, in FFT bins; both carry a fraction where the peak was interpolated
    salience: (n,) float32, how far it stands out, in nepers; peaks are chosen by it
    grade: (n,) int8, 0 for the greatest of the widest surroundings, 1, 2 ... of ever narrower
        ones; default: all 0
    """

    frames: npt.NDArray[np.float32]
    bins: npt.NDArray[np.float32]
    salience: npt.NDArray[np.float32]
    grade: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))

    def __post_init__(self) -> None:
        if len(self.grade) != len(self.frames):
            object.__setattr__(self, "grade", np.zeros(len(self.frames), np.int8))

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Peaks:
        """The peaks that a mask or an index array names."""
        return Peaks(*(getattr(self, name)[which] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Pairs of peaks as hashes.

    hashes: (n,) uint32
    frames: (n,) int32, the anchor's frame
    """

    hashes: npt.NDArray[np.uint32]
    frames: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a recording, as "Eb" and "major".

    confidence: 0..1, how often a key as clear as this one is also that of the other half
    """

    tonic: str
    mode: Literal["major", "minor"]
    confidence: float

    @property
    def name(self) -> str:
        """As it is stored and shown: "Eb major"."""
        return f"{self.tonic} {self.mode}"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a recording's form; those of one label ("A", "B") sound alike."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Loudness:
    """Levels by EBU R 128; ``None`` where there is silence only.

    integrated_lufs: of the whole
    range_lu: from the quiet to the loud passages
    true_peak_dbtp: of the highest sample, those between the samples included
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


@dataclass(frozen=True, slots=True)
class MusicAnalysis:
    """What a musician would note of a recording.

    tempo_bpm, beats_s, key: ``None`` or empty where there are no beats, no tones; no tempo
        either where the beats keep none
    tempo_confidence: 0..1, the share of the beats that keep it
    beats_s, sections: in the order of time
    """

    tempo_bpm: float | None
    tempo_confidence: float | None
    beats_s: tuple[float, ...]
    key: Key | None
    sections: tuple[Section, ...]
    loudness: Loudness


@dataclass(frozen=True, slots=True)
class Match:
    """One recording heard in a clip.

    confidence: 0..1, the probability that the match is right
    offset_s: where the start of the clip lies in the track; may be negative
    clip_start_s, clip_end_s: the part of the clip that the recording fills
    tempo, pitch: clip relative to the recording, as factors (1.04: 4 % faster / higher)
    """

    track: Track
    score: float
    confidence: float
    offset_s: float
    clip_start_s: float
    clip_end_s: float
    tempo: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True)
class Reasons:
    """In what two recordings are alike: 0..1, the share of the library that is less alike in it.

    None: not known, of a track that was indexed before this was kept
    shared_tags: what is more marked in both than in most of the library, the most marked first
    """

    timbre: float | None
    rhythm: float | None
    harmony: float | None
    tags: float | None
    shared_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A recording and its likeness to the query: -1..1, 0 of two that have nothing in common.

    similarity: cosine of the standardised embeddings, scaled against hubs; 1 of the same sound
    copies: ids of further tracks that hold the same recording
    why: in what it is alike, where that was asked for
    """

    track: Track
    similarity: float
    copies: tuple[int, ...] = ()
    why: Reasons | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An input that could not be read, or only in part, and why; one line."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run of `index` did, in files and seconds; ``removed`` counts tracks."""

    indexed: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    removed: int = 0
    audio_s: float = 0.0
    elapsed_s: float = 0.0
    problems: tuple[Problem, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stretch over which two tracks hold the same recording.

    a, b: track ids; b is the one with less music in it
    offset_s: where the start of b lies in a, in seconds of a; negative where b begins
        before a does. After a cut or an insertion it is where b's start would lie if
        the stretch went on to it: second t of b is second ``offset_s + speed * t`` of a
    overlap_s: length of the stretch, in seconds of a
    confidence: 0..1, the probability that most of b is the same recording as in a, and no
        other version of it; alike for all stretches of two tracks
    start_s: where the stretch begins, in seconds of a
    speed: of b as a factor (1.04: 4 % faster and higher)
    """

    a: int
    b: int
    offset_s: float
    overlap_s: float
    confidence: float
    start_s: float
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Tracks that hold the same recording.

    kind: "same", most of each is in another one of the group; or "part": two tracks, most
        of the second is in the first, which holds other sound as well
    evidence: every track of the group is in at least one row; sorted by (a, b, start_s)
    """

    kind: Literal["same", "part"]
    tracks: tuple[Track, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What a search for duplicates found; ``problems`` names the tracks it had to leave out."""

    groups: tuple[DuplicateGroup, ...]
    problems: tuple[Problem, ...] = field(default=())
