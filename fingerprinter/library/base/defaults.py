"""How certain an answer has to be by default."""

MIN_CONFIDENCE = 0.95  # at most 1 in 1,000 clips of music outside the library is answered
MIN_DUPLICATE_CONFIDENCE = 0.9
