"""Default confidence thresholds: those of the default search policy."""

from fingerprinter.core.match.policy import DEFAULT_POLICY

MIN_CONFIDENCE = DEFAULT_POLICY.score.min_confidence
MIN_DUPLICATE_CONFIDENCE = DEFAULT_POLICY.overlap.min_confidence
