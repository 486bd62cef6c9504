"""Defaults: confidence thresholds of the search policy, and the limits of versions."""

from fingerprinter.core.match.policy import DEFAULT_POLICY

MIN_CONFIDENCE = DEFAULT_POLICY.score.min_confidence
MIN_DUPLICATE_CONFIDENCE = DEFAULT_POLICY.overlap.min_confidence
# None of 112 queries without a version got an answer at it, and 93 % of 122 versions were found.
MIN_VERSION_CONFIDENCE = 0.8
# Of a query for versions; what is shorter shares its harmony with much other music.
MIN_VERSION_QUERY_S = 15.0
