"""Default confidence thresholds."""

MIN_CONFIDENCE = 0.95  # at most 1 in 1,000 clips of music outside the library gets an answer
MIN_DUPLICATE_CONFIDENCE = 0.9
