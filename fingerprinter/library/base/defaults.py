"""Default confidence thresholds: those of the default search policy, and that of versions."""

from fingerprinter.core.match.policy import DEFAULT_POLICY

MIN_CONFIDENCE = DEFAULT_POLICY.score.min_confidence
MIN_DUPLICATE_CONFIDENCE = DEFAULT_POLICY.overlap.min_confidence
# None of 112 queries without a version got an answer at it, and 93 % of 122 versions were found.
MIN_VERSION_CONFIDENCE = 0.8
