"""Frozen values that every layer of the package shares. They hold data and no logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of an audio file. A tag that the file does not have is ``None``.

    Attributes
    ----------
    mbid : str or None
        MusicBrainz recording id.
    isrc : str or None
        International Standard Recording Code, without hyphens.
    label : str or None
        The record company or netlabel.
    cover : str or None
        SHA-256 of the embedded picture, 64 hexadecimal digits.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    track_number: int | None = None
    year: int | None = None
    genre: str | None = None
    mbid: str | None = None
    album_artist: str | None = None
    disc_number: int | None = None
    isrc: str | None = None
    label: str | None = None
    cover: str | None = None


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the sound of a file is stored. A value that is not known is ``None``.

    Attributes
    ----------
    codec : str or None
        FFmpeg's name of the codec, such as "mp3", "flac" or "vorbis".
    bit_rate : int or None
        Average bits per second.
    """

    codec: str | None = None
    bit_rate: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One recording of the library, identified by its content.

    Attributes
    ----------
    path : str or None
        One of the files that hold the recording; ``None`` if it was imported without a file.
    content_id : str
        Digest of the audio. Two files with the same audio are one track.
    problem : str or None
        The part of the file that could not be decoded; ``None`` if all of it could.
    isrc, label, cover
        See `Tags`.
    codec, bit_rate, sample_rate_hz, channels
        Of the file at ``path``, see `AudioFormat`.
    start_s, end_s : float, and float or None
        The part of the file that holds the recording; all of it if ``end_s`` is ``None`` and
        ``start_s`` is 0. A track of a cue sheet has a part of a file.
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
    album_artist: str | None = None
    disc_number: int | None = None
    isrc: str | None = None
    label: str | None = None
    cover: str | None = None
    codec: str | None = None
    bit_rate: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    start_s: float = 0.0
    end_s: float | None = None

    @property
    def is_part(self) -> bool:
        """Whether its file holds other tracks, too."""
        return self.start_s > 0 or self.end_s is not None


@dataclass(frozen=True, slots=True)
class Album:
    """Tracks with one album title and one album artist.

    Attributes
    ----------
    artist : str or None
        The album artist, or the artist of tracks without one.
    year : int or None
        The earliest year of its tracks.
    tracks : int
        Number of tracks.
    cover_track : int
        Id of a track with a cover; of any track if there is none.
    """

    album: str
    artist: str | None
    year: int | None
    tracks: int
    duration_s: float
    cover_track: int


@dataclass(frozen=True, slots=True)
class Artist:
    """Tracks of one artist: how many, on how many albums, and how long in all."""

    artist: str
    tracks: int
    albums: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Genre:
    """Tracks of one genre: how many, and on how many albums."""

    genre: str
    tracks: int
    albums: int


@dataclass(frozen=True, slots=True)
class Peaks:
    """Spectral peaks sorted by (frame, bin): the *constellation* of a recording.

    Attributes
    ----------
    frames : (n,) float32
        Time in hops from the start of the audio. Interpolated peaks have a fraction.
    bins : (n,) float32
        Frequency in FFT bins. Interpolated peaks have a fraction.
    salience : (n,) float32
        How far the peak stands out from its surroundings, in nepers. Peaks are chosen by it.
    grade : (n,) int8
        0 if the peak is the maximum of the widest box around it, 1, 2, ... for ever narrower
        boxes. The default is 0 for all peaks.
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
        """Select peaks by a boolean mask or an index array."""
        frames, bins = self.frames[which], self.bins[which]
        return Peaks(frames, bins, self.salience[which], self.grade[which])


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Pairs of peaks, each as a hash and the time of its anchor.

    Attributes
    ----------
    hashes : (n,) uint32
        Anchor bin, bin difference and frame difference of each pair.
    frames : (n,) int32
        Frame of the anchor.
    """

    hashes: npt.NDArray[np.uint32]
    frames: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a recording.

    Attributes
    ----------
    tonic : str
        For example "Eb".
    mode : "major" or "minor"
    confidence : float
        0..1, the probability that the other half of the recording has the same key.
    """

    tonic: str
    mode: Literal["major", "minor"]
    confidence: float

    @property
    def name(self) -> str:
        """The key as it is stored and shown: "Eb major"."""
        return f"{self.tonic} {self.mode}"

    @property
    def short_name(self) -> str:
        """The key as tags and DJ programs write it: "Eb" for major, "Ebm" for minor."""
        return self.tonic + ("m" if self.mode == "minor" else "")


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a recording. Sections with the same label ("A", "B") sound alike."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Loudness:
    """Loudness by EBU R 128. Each value is ``None`` if there is only silence.

    Attributes
    ----------
    integrated_lufs : float or None
        Loudness of the whole recording.
    range_lu : float or None
        Distance between the quiet and the loud passages (loudness range).
    true_peak_dbtp : float or None
        Highest level, including peaks between the samples.
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


@dataclass(frozen=True, slots=True)
class MusicAnalysis:
    """Tempo, beats, key, sections and loudness of a recording.

    Attributes
    ----------
    tempo_bpm : float or None
        ``None`` if there are no beats, or if the beats do not keep a tempo.
    tempo_confidence : float or None
        0..1, the share of the beats that keep the tempo.
    beats_s : tuple of float
        Times of the beats in seconds, ascending; empty if there are none.
    key : Key or None
        ``None`` if there are too few tones for one.
    sections : tuple of Section
        Ascending in time.
    """

    tempo_bpm: float | None
    tempo_confidence: float | None
    beats_s: tuple[float, ...]
    key: Key | None
    sections: tuple[Section, ...]
    loudness: Loudness


@dataclass(frozen=True, slots=True)
class Match:
    """One recording that was found in a clip.

    Attributes
    ----------
    confidence : float
        0..1, the probability that the match is right.
    offset_s : float
        Position of the start of the clip in the track; negative if the clip starts earlier.
    clip_start_s, clip_end_s : float
        The part of the clip in which the recording plays.
    tempo, pitch : float
        Clip relative to the recording, as factors (1.04 is 4 % faster or higher).
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
    """Explains a similarity per facet, as a percentile within the library.

    A percentile is 0..1, the share of the library that is less similar in this facet. It is
    ``None`` for tracks that were indexed without the facet.

    Attributes
    ----------
    shared_tags : tuple of str
        Tags that are stronger in both recordings than in most of the library, strongest first.
    """

    timbre: float | None
    rhythm: float | None
    harmony: float | None
    tags: float | None
    shared_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A recording and its similarity to the query.

    Attributes
    ----------
    similarity : float
        -1..1: cosine of the standardised embeddings, scaled against hubs. 1 is the same sound,
        0 is nothing in common.
    copies : tuple of int
        Ids of other tracks that hold the same recording.
    why : Reasons or None
        Explanation of the similarity, if it was asked for.
    """

    track: Track
    similarity: float
    copies: tuple[int, ...] = ()
    why: Reasons | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """Another performance of the piece that a query plays, and where both play it.

    Attributes
    ----------
    confidence : float
        0..1, the probability that the track is a version of the query.
    score : float
        The evidence, which grows with the length of the passage.
    semitones : int
        -5..6, by how much the track is higher than the query.
    tempo : float
        Of the track relative to the query, as a factor: 1.1 is 10 % faster.
    query_start_s, query_end_s : float
        The passage of the query that the track plays, too.
    start_s, end_s : float
        The same passage in the track.
    same_recording : bool
        Whether the track holds the recording of the query itself.
    """

    track: Track
    confidence: float
    score: float
    semitones: int
    tempo: float
    query_start_s: float
    query_end_s: float
    start_s: float
    end_s: float
    same_recording: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """An input that could not be read, or only in part. The message is one line."""

    path: str
    message: str


CHANGING = "changing"
"""Kind of the files in `IndexReport.left_out` that were changed too lately."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """Result of one run of `index`: numbers of files, and seconds.

    Attributes
    ----------
    replaced : int
        Files among the updated ones that hold another recording than before.
    copies : int
        New files among the updated ones that are exact copies of a file of a track.
    removed : int
        Number of tracks, not of files.
    left_out : mapping of str to int
        How many entries of the folders were left out, by kind: ``"hidden"``, ``"excluded"``, a
        suffix such as ``".jpg"``, ``"other"``, or ``"changing"`` (see `Library.index`).
    """

    indexed: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    removed: int = 0
    replaced: int = 0
    copies: int = 0
    audio_s: float = 0.0
    elapsed_s: float = 0.0
    problems: tuple[Problem, ...] = field(default=())
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage over which two tracks hold the same recording.

    Attributes
    ----------
    a, b : int
        Track ids. b is the track with less music in it.
    offset_s : float
        Position of the start of b in a, in seconds of a; negative if b starts earlier. Second t
        of b is second ``offset_s + speed * t`` of a. If something was cut or inserted before
        the passage, this is where b would start if the passage were continued back to it.
    overlap_s : float
        Length of the passage, in seconds of a.
    confidence : float
        0..1, the probability that most of b is the same recording as in a, and not another
        version of it. It is the same for all passages of two tracks.
    start_s : float
        Start of the passage, in seconds of a.
    speed : float
        Speed of b as a factor (1.04 is 4 % faster and higher).
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
    """Tracks, or files of one track, that hold the same recording.

    Attributes
    ----------
    kind : "exact", "same" or "part"
        "exact": one track that several files hold. It is in ``tracks`` once for each file, with
        its path. "same": most of each track is in another track of the group. "part": there are
        two tracks, and most of the second is in the first, which holds other sound as well.
    evidence : tuple of Evidence
        Sorted by (a, b, start_s). Every track of the group is in at least one of them.
    """

    kind: Literal["exact", "same", "part"]
    tracks: tuple[Track, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """Result of a search for duplicates. ``problems`` names the tracks that were left out."""

    groups: tuple[DuplicateGroup, ...]
    problems: tuple[Problem, ...] = field(default=())
