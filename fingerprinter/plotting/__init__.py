"""Figures: why a clip matches, the map of a library, and the analysis of a track.

Only the functions that draw load matplotlib. They do not use pyplot, so that several threads can
draw at the same time.
"""

from fingerprinter.plotting.analysis import draw_analysis
from fingerprinter.plotting.figure import draw
from fingerprinter.plotting.files import check_target, save, to_bytes
from fingerprinter.plotting.sound_map import draw_map

__all__ = ["check_target", "draw", "draw_analysis", "draw_map", "save", "to_bytes"]
