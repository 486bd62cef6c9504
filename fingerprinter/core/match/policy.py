"""Every value that decides an answer of the search, as one frozen value with an id.

`SearchPolicy` groups the values by the step that reads them. An evaluation records the id of the
policy it ran under, and measures another value by passing another policy:

>>> from dataclasses import replace
>>> strict = replace(DEFAULT_POLICY, score=replace(DEFAULT_POLICY.score, slope=2.0))
>>> strict.id == DEFAULT_POLICY.id
False

Nothing stored in a library depends on a policy. What is stored depends on
`fingerprinter.core.fingerprint.params.LandmarkParams`.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from fingerprinter.core.fingerprint.params import (
    DEFAULT_QUERY,
    DEFAULT_SKETCH_SEARCH,
    QueryParams,
    SketchSearchParams,
)
from fingerprinter.core.fingerprint.warp import (
    ESCALATION,
    TEMPOS,
    WARP_GRID,
    Warp,
    WarpGrid,
)


@dataclass(frozen=True, slots=True)
class VotePolicy:
    """How the votes of landmarks become candidates."""

    # Postings that are read for one look-up; the most common hashes are left out. This bounds time
    # and memory (200 MB) in a library of any size. Among 10,000 tracks the right position is a
    # candidate for 52 of 56 clips that were recorded in rooms at another speed and pitch. With a
    # quarter of this limit it is for 42.
    max_postings: int = 1 << 22
    # The same where lists of sketches propose places too. Among 100,000 tracks 101 of 120 clips in
    # noise and rooms are named, with four times as many the same in 0.1 s more, with 16,384 100.
    listed_postings: int = 1 << 19
    places: int = 128  # with the most votes that are assigned to tracks ...
    # ... and at least so many for each candidate: some are near each other, or of one track
    places_per_candidate: int = 8
    warped_places: int = 48  # the same, for each of many warps
    # Shares of the clip at which its track is looked up. A clip may begin before its track or
    # end after it, so that no single share is inside the track in every clip.
    inside: tuple[float, ...] = (0.1, 0.5, 0.9)
    places_per_track: int = 3  # noise may move the most votes to another place of the right track
    min_gap_frames: int = 4  # closer places of a track are one; the alignment finds the best
    rivals: int = 7  # other tracks whose best places tell what chance reaches


@dataclass(frozen=True, slots=True)
class AlignmentPolicy:
    """How peaks of a clip are laid over the peaks of a track."""

    steps_per_frame: int = 2  # resolution of the tried offsets
    kernel: tuple[float, ...] = (0.5, 1.0, 1.0, 1.0, 0.5)  # weight of a pair by steps off
    bin_tolerance: float = 1.0  # bins that two coinciding peaks may differ by
    search_steps: int = 4  # the vote is right to within so many steps
    passage_margin: float = 2.0  # frames; more than a pair may be off its line
    chance_floor: float = 0.05  # expected coincidences are never taken as fewer
    min_context: int = 50  # offsets that the null model needs
    line_reaches: tuple[float, ...] = (3.0, 2.0, 1.2)  # frames off the line, ever fewer
    min_line_pairs: int = 12  # that a line is fitted through ...
    min_line_frames: float = 31  # ... and the frames that they span
    max_drift: float = 0.03  # log ratio; a larger one belongs to another warp of the grid
    drift_frames: float = 12.0  # the drift after 12 s at `max_drift`
    # A clip plays backwards if it aligns by so many nats better when it is turned around. Of seven
    # such clips that got an answer the least is 5; of 60 clips in noise and rooms the most is 2.
    backwards_nats: float = 4.0
    # ... unless its peaks lie closer to the recording, by so many nats, than when it is turned
    # around. Loops at another tempo reach 29 to 51, a siren that is no music 6.
    backwards_closeness: float = 15.0
    # The pitch of a place that sketches propose is known to a band, and is tuned by the peaks.
    pitch_reach: float = 0.03  # log ratio up to which it may be off
    pitch_step: float = 0.001
    pitch_spread_bins: float = 0.4  # of peaks that are the same
    pitch_min_bin: float = 30.0  # a lower bin does not tell the pitch
    max_tempo_drift: float = 0.3  # that a refitted tempo may undo, as a share of the clip


@dataclass(frozen=True, slots=True)
class ClosenessPolicy:
    """What the distance, grade and salience of two peaks say, in nats.

    The tables are log-likelihood ratios of true alignments against the best ones of other music,
    measured on 480 clips of 1 and 2 s in noise and rooms, and 1,200 of other music.
    """

    reach_frames: float = 1.5  # farther apart, two peaks are not the same
    reach_bins: float = 1.25
    frame_spread: float = 0.4  # of true pairs; distances are counted in spreads
    bin_spread: float = 0.45
    max_shift_frames: float = 1.25  # an alignment is right to within one frame
    shift_spread: float = 0.3
    distances: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # upper limits of the columns
    distance_nats: tuple[tuple[float, ...], ...] = (  # rows: grades 0, 1, 2
        (2.05, 1.24, 0.45, 0.47, 0.07, 0.15),
        (1.73, 1.21, 0.62, 0.51, 0.05, -0.11),
        (0.89, 0.67, 0.20, 0.36, 0.02, -0.14),
    )
    salience_limits: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, math.inf)  # nepers
    salience_nats: tuple[float, ...] = (0.73, 0.98, 0.61, 0.39, -0.01, -0.54, -1.27, -2.50, 0.0)
    same_distance: float = 1.5  # nearer pairs tell how much noise and gain shift all saliences
    miss_nats: float = -0.95  # of a stored peak without a partner
    hit_distance: float = 2.5  # a peak of grade 0 nearer than this is more likely true than chance
    pause_frames: float = 16.0  # of silence at the end of a clip, after which it has ended
    unheard_cost: float = 0.02  # points for each stored peak where the clip has ended
    steadying_peaks: int = 5  # steadies the score of almost empty passages
    # Beyond these, distances are counted in frames and bins of the clip, which are larger than the
    # recording's. Of 44 clips at 1.7 times the tempo and -9 semitones 42 are named instead of 38.
    # Under the usual changes, which cost less, a generated piece is named if it is done there, too.
    fast_tempo: float = 1.34
    low_pitch: float = 0.78


@dataclass(frozen=True, slots=True)
class ScorePolicy:
    """How evidence becomes one score, and a score a confidence.

    The weights were fitted on 768 clips of indexed music of 1 to 5 s in noise, in rooms and
    changed, and 2,520 of other music. The optimum is flat: with 0.3 to 1 for votes and 0.5 to
    1.4 for closeness at most 1 clip in 100 is lost.

    The null score is set so that one in a thousand clips of other music is answered with
    confidence 0.95, measured on 2,520 to 6,300 clips of 1 to 10 s against 12 h of music. It
    sinks as clips grow longer.
    """

    min_confidence: float = 0.95  # of an answer; see the null score
    scale: float = 2.0
    votes_weight: float = 0.7
    closeness_weight: float = 0.7
    likeness_weight: float = 1.0
    # Likeness counts up to this times the root of the alignment. Of 320 right answers in noise and
    # rooms one is lost by it, with 3 three; the peaks of pips and tones support less.
    likeness_per_root_nat: float = 3.5
    # Likeness also counts up to this, and more or less for each point of the peaks' score. Peaks of
    # right answers in rooms have -2 points and more. Clicks and pips get likeness 7 to 13 at
    # places where their peaks have -5 points and less.
    max_likeness: float = 15.0
    likeness_per_point: float = 2.5
    slope: float = 1.4  # of the logistic curve: points of score to log odds
    null_level: float = 8.0  # of a clip of 1 s
    null_per_e: float = 2.75  # the null score falls by this times ln(seconds) ...
    min_clip_s: float = 0.5  # ... from this length ...
    settled_s: float = 10.0  # ... to this one
    sketched_null_level: float = 10.9  # the same where the score includes likeness of sketches
    sketched_null_per_e: float = 3.2
    # Points that chance gains where dozens of warps were tried. With sketches 2 are not enough:
    # 5 of 3,000 clips of other music were answered.
    warp_cost: float = 2.0
    sketched_warp_cost: float = 4.0
    # The same for any tempo with any pitch. With sketches 118 of 140 hard clips are named, and 120
    # with 2 points less, where one generated piece is answered at half its tempo. The best of 276
    # clips of other music and sounds is 11 points below the null score.
    wide_cost: float = 7.5
    sketched_wide_cost: float = 12.0
    # Points that chance gains for every e times fewer patterns than usual in the clip's contrast.
    # Half of all tones have 76 and less, of beeps 510, of sirens 870. Nine in ten clips of music of
    # 1 s have 1,770 and more. Without it 5 of 995 such sounds are named.
    pattern_cost: float = 6.0
    changed_pattern_cost: float = 12.0
    usual_patterns: float = 1500.0
    # The same for bins in which the clip's peaks lie, where its contrast is not known, under
    # changes. Clips of 3 s of music have 50 bins and more.
    narrow_cost: float = 4.0
    usual_bins: float = 30.0
    usual_library_s: float = 12 * 3600.0
    library_cost: float = 0.3  # for every e times as much music
    usual_peaks_per_s: float = 30.0
    # For every e times fewer stored peaks, since fewer of them speak against chance. Without it
    # a compact library answers 4 of 600 outside clips, with 2 points 3.
    sparse_cost: float = 3.5


@dataclass(frozen=True, slots=True)
class TrackingPolicy:
    """When a followed recording is taken to play, and where it begins and ends."""

    near_frames: float = 0.5  # peaks that agree are no farther apart
    near_bins: float = 0.5
    chance_gap_frames: float = 4.0  # lags farther than this from the best one are chance
    min_chance: float = 0.01  # bounds of the share of peaks that agree by chance
    max_chance: float = 0.9
    # Share of the recording's peaks that are present, by which it is told from chance. Under
    # louder music it is 0.1 to 0.4, alone and as MP3 0.9. Above 0.04 the evidence favours the
    # recording.
    assumed_presence: float = 0.1
    hit_nats: float = 2.0  # about what one more peak that agrees says
    memory_frames: float = 192.0  # 6 s; correspondences farther away say less of the line here
    steadiness: float = 1e4  # hits times squared frames: as if the tempo were right to 0.3 %
    first_spread: float = 1.5  # frames by which the line is off at first ...
    spread: float = 0.5  # ... and once there are correspondences
    max_gap_steps: int = 8  # 32 s without evidence end a recording
    min_step_nats: float = 4.0  # of a step that tells where the line is
    min_run_nats: float = 12.0  # of a run of slices in which the recording plays
    # Of all runs together, since a long clip has more chances of a false match. A second of music
    # alone gives 20 to 40.
    min_total_nats: float = 30.0
    # A recording that fades out of hearing within 4 s of its beginning or end was played from
    # there or up to there. Where it breaks off it was cut.
    edge_frames: float = 125.0
    fade_slices: int = 4  # the last 2 s ...
    fade_level: float = 0.75  # ... fade if they have less than this share of the usual evidence


@dataclass(frozen=True, slots=True)
class TrackListPolicy:
    """How a long clip is searched for every recording in it."""

    kept_s: float = 300.0  # of the clip's peaks: how far back a recording found late is followed
    # Presence of all that plays, above which more is looked for only every `recheck_s`. One of two
    # recordings at equal level has more in one clip of three, so a clip of one window is always
    # searched.
    clear_presence: float = 0.75
    recheck_s: float = 120.0
    max_per_window: int = 4  # recordings that are looked for in a window
    same_line_frames: float = 6.0  # lines that lie closer at both ends of a window are the same
    # Two entries of a recording are one if they share more than this part of the shorter one.
    min_common_time: float = 0.5
    min_rest_frames: float = 62.0  # fewer frames at the end of a clip are not searched


@dataclass(frozen=True, slots=True)
class OverlapPolicy:
    """When two recordings hold the same sound; see `fingerprinter.core.match.overlap`.

    Each pair of shares is (of the hypothesis, of its alternative).
    """

    max_bin: float = 256.0  # 2 kHz: above, codecs lose more
    search_frames: float = 3.0  # a proposed line is right to within so many
    near_frames: float = 1.0  # peaks that agree are no farther apart
    near_bins: float = 1.0
    cell_frames: int = 64  # 2 s
    cell_bins: tuple[int, ...] = (40, 80, 128, 180)  # about as many peaks lie between each two
    min_cell_peaks: int = 5  # a cell with fewer says nothing
    min_passage_nats: float = 20.0
    max_repeated: float = 0.5  # share of a passage that better passages may hold already
    min_line_pairs: int = 24  # that a line is fitted through
    max_fit_rounds: int = 12  # each doubles the reach of a line
    fitted_lines: int = 4  # proposed lines whose speed is fitted
    min_drift_frames: float = 0.5  # over a passage; less is no change of speed
    copy_shares: tuple[float, float] = (0.85, 0.5)  # peaks of a copy, of a variation
    cell_shares: tuple[float, float] = (0.98, 0.9)  # cells of a copy, of a variation
    sound_shares: tuple[float, float] = (0.5, 0.1)  # peaks along a rough line, of other music
    # The confidence is a logistic curve of the share and of the cells, fitted to 3,600 copies
    # and 886 variations, for ten copies to a variation.
    share_slope: float = 5.6
    share_middle: float = 0.3
    cell_slope: float = 0.5
    max_cell_nats: float = 10.0  # cells are no independent witnesses
    min_confidence: float = 0.9  # of a pair that is reported
    min_share: float = 0.8  # share of a recording's peaks that counts as most of it
    min_part_s: float = 5.0  # shorter parts are jingles, samples or chance


@dataclass(frozen=True, slots=True)
class DuplicateQueryPolicy:
    """Which landmarks of a recording find its copies; see `duplicate_queries`."""

    window_s: float = 5.0
    windows: int = 8  # of a probe ...
    landmarks: int = 128  # ... and its landmarks
    # At another speed fewer landmarks survive, and each window votes for itself.
    warped_windows: int = 4
    warped_landmarks: int = 192
    warped_max_bin: int = 200  # a higher bin does not survive half a per cent of speed
    min_votes: int = 4  # of 22,573 pairs of tracks by chance none had more than 3
    min_further_votes: int = 3  # that each further offset of a proposed track needs
    max_offsets: int = 12  # of one track that are proposed
    min_gap_frames: int = 4  # nearer offsets are one
    max_tracks: int = 32  # that one track is compared with
    # Up to 3,000 tracks, a look-up gets all postings. Of 10,000 tracks it leaves out the most
    # common hashes, and still proposes 73 of 76 copies at another speed (52 with half as many).
    max_postings: int = 1 << 21


@dataclass(frozen=True, slots=True)
class SearchPolicy:
    """Everything that decides which recordings are found in a clip.

    Parameters
    ----------
    version
        Version of the rest of the search: formulas, grids and rounding.
    query
        Which peaks and landmarks of a clip are looked up, and how many candidates are weighed.
    votes, alignment, closeness, sketch, score
        The steps of the search, in their order.
    tracking, track_list
        How every recording of a long clip is found and followed.
    duplicates, overlap
        Which tracks may be copies, and when they are. Of copies only the best one is listed.
    escalation
        Kinds of changes that are tried one after another, in (stages, warps).
    warp_grid
        Tempos and pitches under each of which sketches look for a clip.
    tempos
        Factors that are tried where only a part of a clip fits.
    """

    version: int = 7
    query: QueryParams = DEFAULT_QUERY
    votes: VotePolicy = VotePolicy()
    alignment: AlignmentPolicy = AlignmentPolicy()
    closeness: ClosenessPolicy = ClosenessPolicy()
    sketch: SketchSearchParams = DEFAULT_SKETCH_SEARCH
    score: ScorePolicy = ScorePolicy()
    tracking: TrackingPolicy = TrackingPolicy()
    track_list: TrackListPolicy = TrackListPolicy()
    duplicates: DuplicateQueryPolicy = DuplicateQueryPolicy()
    overlap: OverlapPolicy = OverlapPolicy()
    escalation: tuple[tuple[Warp, ...], ...] = ESCALATION
    warp_grid: WarpGrid = WARP_GRID
    tempos: tuple[float, ...] = TEMPOS

    @property
    def id(self) -> str:
        """Digest of every value: 16 hex digits."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


DEFAULT_POLICY = SearchPolicy()
