"""Tempo, beats, key, sections, loudness and tags of a recording; separation into parts."""
