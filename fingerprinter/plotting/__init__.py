"""What was found as figures: why a clip is recognised, a collection as a map, an analysis.

matplotlib is loaded by the functions that draw; no state of pyplot is touched, so that
figures can be drawn in threads.
"""

from fingerprinter.plotting.analysis import draw_analysis
from fingerprinter.plotting.figure import draw
from fingerprinter.plotting.files import check_target, save
from fingerprinter.plotting.sound_map import draw_map

__all__ = ["check_target", "draw", "draw_analysis", "draw_map", "save"]
