"""From landmark votes to a scored match; comparison of two recordings."""
