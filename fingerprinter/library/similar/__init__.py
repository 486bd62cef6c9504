"""Similarity search: from tracks or audio to the library's most similar recordings."""
