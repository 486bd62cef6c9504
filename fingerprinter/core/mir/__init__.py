"""Music information retrieval: chroma, key, rhythm, form, separation."""
