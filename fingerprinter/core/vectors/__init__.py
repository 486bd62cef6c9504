"""Arithmetic on embeddings and tags: preference, tag shares, paths."""
