"""Music analysis: chroma, key, rhythm, form, loudness, separation."""
