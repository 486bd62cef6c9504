"""The parameters that decide answers, as one frozen value with an id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class LandmarkParams:
    """How audio becomes peaks and peaks become landmarks.

    A library stores the ``id`` and is refused under another: hashes made under
    other parameters would silently never match.
    """

    version: int = 1  # of what the other values do not say: rounding, layout of the hash
    sr: int = 16_000  # Hz; shared with the embedding, so that a file is resampled once
    n_fft: int = 2048  # 128 ms
    hop_length: int = 512  # 32 ms
    # 23 Hz. Half of the power of much music lies below 94 Hz, and survives where the rest
    # drowns: with bin 12 instead, recall of noisy clips is 2, of changed ones 3 points lower.
    min_bin: int = 3
    max_bin: int = 511  # 4 kHz: what a telephone, GSM or a cheap loudspeaker still passes
    peak_frames: int = 9  # a peak is the maximum of this many frames ...
    peak_bins: int = 17  # ... by this many bins
    mean_frames: int = 63  # salience: log magnitude above the mean of this many frames ...
    mean_bins: int = 41  # ... by this many bins ...
    # ... less this times how far it lies below the loudest of these frames. Of peaks that are
    # chosen so, 35 of 100 are found again in noise and rooms, without this 33; ranks by logistic
    # regression or boosted trees over nine such features find 36.
    level_weight: float = 1.3
    floor: float = -13.0  # nepers of full scale; a peak below (-113 dB) is 16-bit dither
    peaks_per_s: float = 30.0
    # Landmarks per anchor. With 4, 5 and 6 the right place is among the first 24 for 174, 178
    # and 178 of 192 clips in noise, in rooms and of a second, at 1.5, 1.7 and 2.0 MB an hour.
    fan_out: int = 5
    min_dt: int = 1  # frames from anchor to target
    max_dt: int = 31  # with 63 the same recall, at 0.17 MB an hour more
    max_df: int = 63  # bins
    # Numbers of 64 bits of a second's sketch. No landmark depends on it, and sketches have a
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
    """How a clip is searched for. Nothing stored depends on it."""

    # A landmark each of few peaks decides most clips: of 128 clips, half of them in noise and
    # rooms, 119 among 249 tracks and 105 among 10,000, in 5 and 20 ms. With five landmarks a peak
    # 123 and 103, in 9 and 40 ms; with twice the peaks 117 and 103. Of their postings the rarest
    # count: with four times as many 111 among 10,000, in 37 ms.
    quick_peaks_per_s: float = 25.0
    quick_fan_out: int = 1
    quick_postings: int = 1 << 16
    quick_proposals: int = 3  # places weighed then
    decisive: float = 0.9999  # ... with this confidence or more
    peaks_per_s: float = 70.0  # denser than the recording's: noise takes some away
    fan_out: int = 30  # more than the recording's, since denser peaks crowd its targets out
    # A match is also weighed on lesser peaks, the greatest in these boxes of (frames, bins): at
    # -5 dB 64 of 100 stored peaks are among them, 42 among those of the recording's own box.
    narrower: tuple[tuple[int, int], ...] = ((5, 9), (3, 5))
    phases: tuple[float, ...] = (0.0, 0.5)  # of a frame: the clip starts anywhere within one
    # Of a bin: noise moves a peak across the border of two bins. The right place is among the
    # first 24 for 178 of 192 clips in noise, in rooms and of a second, without this for 170.
    detunings: tuple[float, ...] = (-0.25, 0.0, 0.25)
    # Fewer for each of the many changed tempos and pitches, and low ones: a bin number of 400
    # does not survive half a per cent of pitch. With 25 peaks and 8 landmarks each, as many in all,
    # the same recall to within a clip of 432; with a quarter fewer of either three clips less.
    warped_peaks_per_s: float = 33.0
    warped_fan_out: int = 6
    warped_max_bin: int = 256
    # The middle of a longer clip proposes enough: 141 instead of 142 of 144 clips of 5 and 10 s
    # are named, in half the time. Leaving the common hashes out costs more: 137.
    warped_s: float = 5.0
    # Places weighed for the unchanged clip. With 12, 24 and 48 the right one comes out on top
    # for 277, 280 and 279 of 312 hard clips; each costs 2 ms.
    proposals: int = 16
    # Places weighed for each stage of the escalation, and those of them that are laid on the
    # recording peak by peak: of 1,152 changed clips the right one is first in alignment and votes
    # for all 1,142 for which it is among the eight, but five.
    warped_proposals: int = 8
    warped_finalists: int = 2
    # Where sketches are compared, so many places of theirs and as many of the landmarks', which
    # are not detuned then: of 680 clips in noise and rooms 641 are named; with 16 places and three
    # detunings 640, which takes 20 ms more for a clip of 10 s.
    sketched_proposals: int = 6
    # Places of few landmarks whose likeness is looked at in each stage of the escalation, at an
    # eighth of a millisecond each, and how many of those, and of the unchanged clip's twelve, are
    # laid on their recordings. Of 432 changed clips at +5 dB 423 are named; 416 without likeness,
    # 422 with 20 places, 423 with 64, and 423 with four laid on, which lose one of 360 unchanged.
    warped_places: int = 32
    likeliest: int = 6
    fits: float = 0.6  # share of the recording's peaks in a clip whose tempo is beyond doubt
    tempo_gain: float = 3.0  # points of score that another tempo must win: noise alone wins one
    window_s: float = 15.0  # longer clips are searched in windows ...
    window_hop_s: float = 10.0  # ... that overlap


DEFAULT = LandmarkParams()
# A third of the bytes for hardly less recall, see docs/identification.md
COMPACT = LandmarkParams(peaks_per_s=17.0, fan_out=2, sketch_words=2)
PROFILES = {"default": DEFAULT, "compact": COMPACT}
DEFAULT_QUERY = QueryParams()
