"""The time line of a decoded stream: sound that is missing becomes silence of the same length.

Positions in a recording are those that a player shows. A sound track may begin later than its
video, and a damaged part may be left out by the decoder: the time stamps of the frames tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import av

# A longer jump is another clock (two recordings in one file), not sound that is missing. No file
# gets more silence than this, because a small hostile one could ask for years of it.
MAX_GAP_S = 600.0
_PIECE_S = 1.0  # of silence


def fill_gaps(
    frames: Iterable[av.AudioFrame],
    position_s: float,
    tolerance_s: float,
    on_gap: Callable[[float], None],
    most_s: float = MAX_GAP_S,
) -> Iterator[av.AudioFrame]:
    """Yield frames, with silence where their time stamps leave a gap.

    Parameters
    ----------
    frames : iterable of av.AudioFrame
        Decoded frames in their order.
    position_s : float
        Time stamp at which the first frame is expected, in seconds.
    tolerance_s : float
        Shorter gaps are rounding of the time stamps. Where frames overlap, none is left out.
    on_gap : callable
        Receives the length of each gap in seconds.
    most_s : float
        How much silence there may be in all, in seconds.

    Yields
    ------
    av.AudioFrame
    """
    ticks, ticks_per = 0, 1  # the time base of all frames, a fraction that takes long to ask for
    for frame in frames:
        if not ticks and frame.time_base:
            ticks, ticks_per = frame.time_base.as_integer_ratio()
        pts, length_s = frame.pts, frame.samples / frame.sample_rate
        if pts is not None and ticks:
            jump_s = pts * ticks / ticks_per - position_s
            if tolerance_s < jump_s <= most_s:
                on_gap(jump_s)
                most_s -= jump_s
                yield from _silence(frame, round(jump_s * frame.sample_rate))
                position_s += jump_s
            elif jump_s > most_s or jump_s < -MAX_GAP_S:
                position_s += jump_s
        position_s += length_s
        yield frame


def _silence(like: av.AudioFrame, n: int) -> Iterator[av.AudioFrame]:
    """Yield ``n`` samples of silence in frames of the same kind as another one."""
    piece = max(1, round(_PIECE_S * like.sample_rate))
    zero = b"\x80" if like.format.name.startswith("u8") else b"\x00"
    for start in range(0, n, piece):
        frame = av.AudioFrame(like.format.name, like.layout.name, min(piece, n - start))
        for plane in frame.planes[: like.layout.nb_channels if like.format.is_planar else 1]:
            plane.update(zero * plane.buffer_size)
        frame.sample_rate = like.sample_rate
        yield frame
