"""The parameters of fingerprints, as frozen values.

`LandmarkParams` decides what a library stores and has an id that the library carries.
`QueryParams` and `SketchSearchParams` decide how a clip is searched for; they are parts of
`fingerprinter.core.match.policy.SearchPolicy`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class LandmarkParams:
    """How audio becomes peaks and peaks become landmarks.

    A library stores the ``id`` and is refused under another. Hashes made under other parameters
    would silently never match.

    Examples
    --------
    >>> DEFAULT.hop_s
    0.032
    >>> DEFAULT.id == LandmarkParams(fan_out=2).id
    False
    """

    version: int = 1  # of what the other values do not say: rounding, layout of the hash
    sr: int = 16_000  # Hz; shared with the embedding, so that a file is resampled once
    n_fft: int = 2048  # 128 ms
    hop_length: int = 512  # 32 ms
    # 23 Hz. Half of the power of much music lies below 94 Hz, and survives where the rest is
    # masked. With bin 12 recall of noisy clips is 2 points lower, of changed ones 3.
    min_bin: int = 3
    max_bin: int = 511  # 4 kHz: what a telephone, GSM or a cheap loudspeaker still passes
    peak_frames: int = 9  # a peak is the maximum of this many frames ...
    peak_bins: int = 17  # ... by this many bins
    # The salience of a peak is its log magnitude above the mean of a box of these frames and
    # bins, less `level_weight` times how far it lies below the loudest of these frames. Of peaks
    # chosen so, 35 of 100 are found again in noise and rooms; without the second term 33.
    mean_frames: int = 63
    mean_bins: int = 41
    level_weight: float = 1.3
    floor: float = -13.0  # nepers of full scale; a peak below (-113 dB) is 16-bit dither
    peaks_per_s: float = 30.0
    # Landmarks per anchor. With 4, 5 and 6 the right place is among the first 24 for 174, 178
    # and 178 of 192 clips in noise, in rooms and of a second, at 1.5, 1.7 and 2.0 MB an hour.
    fan_out: int = 5
    min_dt: int = 1  # frames from anchor to target
    max_dt: int = 31  # with 63 the same recall, at 0.17 MB an hour more
    max_df: int = 63  # bins
    # Words of 64 bits in the sketch of a second. No landmark depends on it, and sketches have a
    # version of their own, so it is not in the id.
    sketch_words: int = 6

    @property
    def hop_s(self) -> float:
        """Seconds from frame to frame."""
        return self.hop_length / self.sr

    @property
    def bin_hz(self) -> float:
        """Hertz from bin to bin."""
        return self.sr / self.n_fft

    @property
    def id(self) -> str:
        """Digest of every value that landmarks depend on: 16 hex digits."""
        values = {name: value for name, value in asdict(self).items() if name != "sketch_words"}
        text = json.dumps(values, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class QueryParams:
    """Which peaks and landmarks of a clip are looked up, and how many candidates are weighed.

    Nothing stored depends on it.
    """

    # The quick look-up: one landmark for each of few peaks decides most clips. Of 128 clips,
    # half of them in noise and rooms, it decides 119 among 249 tracks and 105 among 10,000, in 5
    # and 20 ms. Five landmarks a peak decide 123 and 103, in 9 and 40 ms. Of the postings the
    # rarest hashes count; with four times as many it decides 111 among 10,000, in 37 ms.
    quick_peaks_per_s: float = 25.0
    quick_fan_out: int = 1
    quick_postings: int = 1 << 16
    quick_proposals: int = 3  # candidates that it weighs; 0 leaves the quick look-up out
    decisive: float = 0.9999  # confidence that ends the search
    # The full look-up. A clip has denser peaks than the recording, since noise takes some away,
    # and a larger fan-out, since the additional peaks crowd out targets.
    peaks_per_s: float = 70.0
    fan_out: int = 30
    # A match is also weighed on lesser peaks, the greatest in these boxes of (frames, bins). At
    # -5 dB 64 of 100 stored peaks are among them, 42 among those of the recording's own box.
    narrower: tuple[tuple[int, int], ...] = ((5, 9), (3, 5))
    phases: tuple[float, ...] = (0.0, 0.5)  # of a frame: the clip starts anywhere within one
    # Of a bin, since noise moves a peak across the border of two bins. The right place is among
    # the first 24 for 178 of 192 clips in noise, in rooms and of a second; without it for 170.
    detunings: tuple[float, ...] = (-0.25, 0.0, 0.25)
    # Fewer and lower peaks for each of the many warps: a bin number of 400 does not survive half
    # a per cent of pitch. With a quarter fewer peaks or landmarks three more clips of 432 are lost.
    warped_peaks_per_s: float = 33.0
    warped_fan_out: int = 6
    warped_max_bin: int = 256
    # Seconds around the median peak of a clip that propose candidates under warps. Of 144 clips of
    # 5 and 10 s 141 are named, with the whole clip 142 in twice the time.
    warped_s: float = 5.0
    # Candidates that are weighed for the unchanged clip. With 12, 24 and 48 the right one is best
    # for 277, 280 and 279 of 312 hard clips; each costs 2 ms.
    proposals: int = 16
    # Candidates that are aligned in each stage of the escalation, and those of them that are
    # weighed peak by peak. Of 1,152 changed clips the right one is among the eight for 1,142, and
    # best in alignment and votes for all of these but five.
    warped_proposals: int = 8
    warped_finalists: int = 2
    # Where sketches are compared: candidates of the landmarks, which are not detuned then, and as
    # many of the sketches. Of 680 clips in noise and rooms 641 are named; 640 with 16 candidates
    # and three detunings, which takes 20 ms more for a clip of 10 s.
    sketched_proposals: int = 6
    # Candidates of the landmarks whose sketches are compared where all sketches are too many for
    # the memory and in no lists. Among 100,376 tracks 13 of 24 clips in noise and rooms are
    # named; 9 with 16 candidates, in 50 ms less. 1,024 name no more, in 300 ms more.
    stored_proposals: int = 256
    # As many of the landmarks, and of the sketches in lists. Among 100,000 tracks 101 of 120 clips
    # in noise and rooms are named; 103 with 256 candidates of the landmarks, in 0.2 s more.
    listed_proposals: int = 64
    # Candidates of each stage of the escalation whose sketches are compared, at 0.125 ms each, and
    # how many of them, and of the twelve of the unchanged clip, are aligned. Of 432 changed clips
    # at +5 dB 423 are named; 416 without sketches, 422 with 20 candidates, 423 with 64.
    warped_places: int = 32
    aligned_places: int = 6
    whole_share: float = 0.6  # of the passage's peaks in the clip, above which its tempo is kept
    # Points of score that another tempo must win. Noise alone wins one.
    tempo_gain: float = 3.0
    window_s: float = 15.0  # longer clips are searched in windows ...
    window_hop_s: float = 10.0  # ... that overlap


@dataclass(frozen=True, slots=True)
class SketchSearchParams:
    """How the sketches of a clip are compared with those of a library."""

    first_words: int = 12  # words of a line that find the likely places
    first_windows: int = 6  # windows of the clip's middle that find them
    lines: int = 256  # likely places that are compared in full
    min_window_frames: int = 5  # frames of the clip that a window needs
    lags: tuple[float, ...] = (-2.0, 0.0, 2.0)  # frames that a place may be off
    same_place_frames: float = 3.0  # places of a track that are one
    # Sketches of a library that are kept in memory, since every query reads all of them. Above
    # some 16,000 tracks those of candidates are read, and sketches in lists propose candidates.
    max_bytes: int = 1 << 27
    # Sketches of the likeliest lists that are compared with a clip where all are too many for the
    # memory. See docs/research/large-libraries.md.
    list_comparisons: int = 1 << 22
    list_step: int = 2  # every such window of the clip is looked up ...
    list_weight: float = 0.5  # ... of which the clip covers at least this share
    list_score: float = 4.0  # standard deviations of chance that a sketch has to agree by
    # A changed clip: windows of it under any tempo with any pitch, in the lists of a library.
    warped_frames: int = 156  # of the recording, around the middle of the clip, that are looked up
    warped_step: int = 3  # frames from window to window
    warped_weight: float = 0.75  # share of a window that the clip covers
    warped_lists: int = 160  # likely lists of each window, which hold about four sketches each
    warped_comparisons: int = 2048  # ... and at most so many
    warped_first_apart: int = 25  # bits of the first word that may differ
    warped_score: float = 4.5  # standard deviations of chance that a sketch has to agree by
    warped_repeats: int = 8  # windows of a tempo that are kept for each place
    warped_same_frames: float = 8.0  # frames off the line of another window of the same place
    warped_places: int = 8  # whose tempo and pitch are tuned ...
    # ... in so many steps up and down: further than the next tempo of the grid, under which single
    # windows are as like ...
    tempo_steps: int = 18
    tempo_step: float = 0.011  # ... of this log ratio
    pitch_steps: int = 2  # the same for the pitch
    pitch_step: float = 0.02476  # half of a step of the grid


DEFAULT = LandmarkParams()
# A third of the bytes for slightly less recall, see docs/research/storage-and-recall.md
COMPACT = LandmarkParams(peaks_per_s=17.0, fan_out=2, sketch_words=2)
PROFILES = {"default": DEFAULT, "compact": COMPACT}
DEFAULT_QUERY = QueryParams()
DEFAULT_SKETCH_SEARCH = SketchSearchParams()
