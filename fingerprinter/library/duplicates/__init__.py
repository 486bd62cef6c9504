"""Tracks that hold the same recording: search through a library, and comparison of two tracks."""
