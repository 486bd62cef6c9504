"""Music analysis of a recording: tempo, beats, key, sections, loudness, tags; source separation."""
